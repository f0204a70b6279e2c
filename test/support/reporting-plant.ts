import type { Device } from '../../fleet-server/core/model/device.ts';
import type { DeviceApp } from '../../fleet-server/core/model/device-app.ts';
import type { Exposure } from '../../fleet-server/core/rollout/step-exposure.ts';
import type { ReportedApp, ReportedState } from '../../shared/contracts/reported.ts';
import type { RolloutRequest } from '../../shared/contracts/rollout.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { DeviceId, RolloutId } from '../../shared/core/ids.ts';
import { signEnvelope } from '../../shared/trust/dsse.ts';
import { seededSigner } from '../../sim/world/seeded-keys.ts';
import type { AnswerBody, HttpWorld } from './http-world.ts';
import {
  bootId,
  device,
  deviceApp,
  deviceId,
  digest,
  filetype,
  plant,
  targetPath,
} from './store-nouns.ts';

/** A plan whose waves are judged on outcomes alone, because these devices answer nothing. */
export const outcomesOnly = {
  minimumSample: { devices: 1, inferences: 0 },
  errorRate: null,
  latencyP95: null,
  accuracy: null,
  classShift: null,
} as const;

/** Devices of a server's plant that have run 1.0.0 before, and say by signed reports what they do. */
export class ReportingPlant {
  readonly #world: HttpWorld;
  readonly #numbers = new Map<DeviceId, number>();

  constructor(world: HttpWorld) {
    this.#world = world;
  }

  async add(
    name: string,
    options: { readonly isNew?: boolean; readonly change?: Partial<Device> } = {},
  ): Promise<void> {
    const { isNew = false, change = {} } = options;
    const id = deviceId(name);
    const publicKey = hexOf(seededSigner(name).publicKey);
    const place = this.#numbers.size;
    await this.#world.store.transaction(async (tx) => {
      await tx.devices.insert(device(name, { publicKey, cell: (place * 331) % 4096, ...change }));
      if (!isNew) await tx.deviceApps.put(deviceApp(name, { desired: null, refused: [] }));
    });
    this.#numbers.set(id, 0);
  }

  /** Publishes a version; its digest is made of the digit. */
  async publish(version: string, digit: string): Promise<void> {
    const bundle = {
      ...{ fleet: plant, path: targetPath(version), name: filetype, version },
      ...{
        digest: digest(digit),
        status: 'live' as const,
        blobs: [],
        publishedAtMs: 0,
        statusSinceMs: 0,
        contentReleasedAtMs: null,
        minAgent: null,
      },
    };
    await this.#world.store.transaction((tx) => tx.bundles.insert(bundle));
  }

  /** Drafts and submits as the operator of that token. */
  async start(token: string, plan: Partial<RolloutRequest>): Promise<RolloutId> {
    const url = '/fleets/plant/rollouts';
    const body = {
      ...{ app: filetype, path: targetPath('2.0.0'), digest: digest('2') },
      ...{ target: 'state = accepted', waves: [{ percent: 100 }], soakMs: 1_000 },
      ...{ gates: outcomesOnly, ...plan },
    };
    const drafted = await this.#world.post(token, url, { body });
    if (drafted.statusCode !== 201) throw new Error(drafted.body);
    const { rollout } = drafted.json<AnswerBody>();
    const headers = { 'if-match': String(drafted.headers['etag']) };
    const done = await this.#world.post(token, `${url}/${rollout}/submit`, { headers });
    if (done.statusCode !== 200) throw new Error(done.body);
    return rollout as RolloutId;
  }

  /** These devices send no telemetry, so a person says that the wave is good. */
  async promote(token: string, rollout: RolloutId): Promise<void> {
    const url = `/fleets/plant/rollouts/${rollout}`;
    const headers = { 'if-match': String((await this.#world.get(token, url)).headers['etag']) };
    const done = await this.#world.post(token, `${url}/promote`, { headers });
    if (done.statusCode !== 200) throw new Error(done.body);
  }

  /** Says that it runs what it is told to; or what `app` says instead. */
  async report(
    id: DeviceId,
    say: { readonly app?: Partial<ReportedApp>; readonly state?: Partial<ReportedState> } = {},
  ): Promise<void> {
    const { store, server, clock } = this.#world;
    const [known, wanted] = await store.read(async (view) => [
      await view.devices.get(plant, id),
      await view.deviceApps.get(plant, id, filetype),
    ]);
    if (known?.epoch === null || known === null) throw new Error(`${id} has no epoch`);
    const number = (this.#numbers.get(id) ?? 0) + 1;
    this.#numbers.set(id, number);
    const generation = known.issuedGeneration;
    const report: ReportedState = {
      ...{ fleet: plant, device: id, epoch: known.epoch, boot: bootId('b'), number },
      ...{ atMs: clock.nowMs(), seen: { directorVersion: 1, generation }, refused: [] },
      ...{ agentVersion: '0.1.0', protocol: { min: 1, max: 1 }, facts: {}, zone: 'UTC' },
      apps:
        wanted === null || wanted.desired === null
          ? []
          : [{ ...committedOf(wanted, generation), ...say.app }],
      ...say.state,
    };
    const payload = utf8(canonicalJson({ ...report }));
    const envelope = await signEnvelope('reported', payload, [seededSigner(id)]);
    const taken = await server.reports.receive({ fleet: plant, device: id }, envelope);
    if (!taken.ok) throw new Error(`${taken.error.code}: ${taken.error.message}`);
  }

  /** Turns until nothing moves; everybody but `silent` commits what it was told in between. */
  async settle(rollout: RolloutId, silent: ReadonlySet<DeviceId> = new Set()): Promise<void> {
    for (let i = 0; i < 200; i += 1) {
      const hasMoved = await this.#world.server.rollouts.turn(plant);
      const waiting = (await this.exposures(rollout)).filter(
        ({ phase, device: id }) => open.has(phase) && !silent.has(id),
      );
      for (const exposure of waiting) await this.report(exposure.device);
      if (!hasMoved && waiting.length === 0) return;
    }
    throw new Error('it never comes to rest');
  }

  async exposures(rollout: RolloutId): Promise<readonly Exposure[]> {
    return this.#world.store.read((view) =>
      view.offers.listByPhase(plant, rollout, { page: { limit: 1_000 } }),
    );
  }
}

/** Phases that a report ends. */
const open = new Set(['offered', 'restoring']);

function committedOf({ app, desired }: DeviceApp, generation: number): ReportedApp {
  if (desired === null) throw new Error('nothing is wanted');
  const { path, digest: wanted, retry } = desired;
  const target = { path, digest: wanted, generation, retry };
  return { app, phase: 'committed', target, active: wanted, lastGood: wanted };
}
