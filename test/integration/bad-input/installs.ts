import type { PackedBundle } from '../../../firmware-bundles/pack/pack-bundle.ts';
import { decodeBundle } from '../../../shared/codec/bundle.ts';
import type { DefaultRow, TargetCustom } from '../../../shared/contracts/bundle-config.ts';
import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { base64Of } from '../../../shared/core/bytes.ts';
import type { AppName } from '../../../shared/core/ids.ts';
import type { OriginResponse } from '../../../sim/world/sim-fetcher.ts';
import { sampleBundle } from '../../support/sample-bundle.ts';
import { digest, harbour } from '../../support/store-nouns.ts';
import { inconsistentBundle, refusedGraphs, withDefaultAnswer } from './bad-bundles.ts';
import { type Attack, atDoor, type BadCase, codeOfResult } from './bad-case.ts';
import { DeviceScene } from './device-scene.ts';

let minor = 0;
/** A bundle of a version and with weights that nobody has yet. */
const fresh = (graph?: Uint8Array): PackedBundle => {
  minor += 1;
  const sample = { version: `1.${minor}.0`, fill: 100 + minor };
  return sampleBundle(graph === undefined ? sample : { ...sample, graph });
};

/** Signs the bundle, lets the device learn of it, and installs it. */
const installing = async (
  scene: DeviceScene,
  options: {
    readonly bundle?: PackedBundle;
    readonly custom?: Partial<TargetCustom>;
    readonly order?: Parameters<DeviceScene['install']>[1];
  } = {},
): Promise<Attack> => {
  const { bundle = fresh(), custom = {}, order = {} } = options;
  scene.origin.add(bundle);
  scene.origin.operator.name(bundle, { releaseCounter: 1, ...custom });
  await scene.offer();
  // A floor is of this case alone: the scene goes on to the next.
  scene.origin.operator.rollbackFloor = {};
  return () => scene.install(bundle, order);
};

/** The network changes how the tensor of the bundle arrives. */
const arriving =
  (change: (bytes: Uint8Array) => OriginResponse) =>
  async (scene: DeviceScene): Promise<Attack> => {
    const bundle = fresh();
    const tensor = bundle.config.variants[0]?.tensors[0]?.digest;
    const bytes = tensor === undefined ? undefined : bundle.blobs.get(tensor);
    if (tensor === undefined || bytes === undefined) throw new Error('the sample has a tensor');
    const attack = await installing(scene, { bundle });
    scene.answers.set(`/v2/adder/blobs/${tensor}`, change(bytes));
    return attack;
  };

const answer = (
  body: Uint8Array,
  headers: readonly (readonly [string, string])[] = [],
  status = 200,
): OriginResponse => ({ status, headers: new Map(headers), body });

/** What the sample's one output of 2048 numbers may be answered with. */
const soundRow: DefaultRow = {
  ...{ name: 'y', type: 'float32', shape: [2048] },
  base64: base64Of(new Uint8Array(4 * 2048)),
};

const badDefaults: readonly {
  readonly code: ErrorCode;
  readonly title: string;
  readonly row: Partial<DefaultRow>;
}[] = [
  {
    code: 'default-answer-invalid',
    title: 'is of an output that is not there',
    row: { name: 'z' },
  },
  { code: 'default-answer-invalid', title: 'has another shape', row: { shape: [2, 1024] } },
  {
    code: 'default-answer-invalid',
    title: 'has fewer bytes than its shape',
    row: { base64: base64Of(new Uint8Array(4)) },
  },
  {
    code: 'default-answer-invalid',
    title: 'holds no numbers',
    row: { base64: base64Of(new Uint8Array(4 * 2048).fill(255)) },
  },
  {
    code: 'schema-mismatch',
    title: 'is larger than any may be',
    row: { base64: 'A'.repeat(limits.defaultAnswerBytesMax * 2) },
  },
];

const targets: readonly BadCase<DeviceScene>[] = [
  {
    code: 'signatures-disagree',
    title: 'the director orders other bytes than were signed offline',
    prepare: (scene) => installing(scene, { order: { digest: digest('7') } }),
  },
  {
    code: 'target-mismatch',
    title: 'the director orders one app under the name of another',
    prepare: (scene) => installing(scene, { order: { app: 'camera' as AppName } }),
  },
  {
    code: 'below-rollback-floor',
    title: 'a bundle below the floor of its name is ordered',
    prepare: (scene) => {
      scene.origin.operator.rollbackFloor = { adder: 2 };
      return installing(scene);
    },
  },
  {
    code: 'release-invalid',
    title: 'the floor of its name is no number',
    prepare: (scene) => {
      scene.origin.operator.rollbackFloor = { adder: -1 };
      return installing(scene);
    },
  },
  {
    code: 'agent-too-old',
    title: 'a bundle for newer agents is ordered',
    prepare: (scene) => installing(scene, { bundle: sampleBundle({ minAgent: '1.0.1' }) }),
  },
  {
    code: 'target-retired',
    title: 'a retired bundle is ordered',
    prepare: (scene) => installing(scene, { custom: { status: 'retired' } }),
  },
  {
    code: 'target-not-for-fleet',
    title: 'a bundle of another fleet is ordered',
    prepare: (scene) => installing(scene, { custom: { fleets: [harbour] } }),
  },
  {
    code: 'target-not-for-class',
    title: 'a bundle for another machine is ordered',
    prepare: (scene) => installing(scene, { custom: { classMatch: { 'cpu.arch': 'riscv64' } } }),
  },
  {
    code: 'schema-mismatch',
    title: 'a signed target says nothing of its release',
    prepare: (scene) => installing(scene, { custom: { releaseCounter: -1 } }),
  },
  {
    code: 'bundle-inconsistent',
    title: 'a manifest lacks a blob that its configuration uses',
    prepare: (scene) => installing(scene, { bundle: inconsistentBundle(fresh()) }),
  },
  ...badDefaults.map(({ code, title, row }) => ({
    code,
    title: `a signed default answer ${title}`,
    prepare: (scene: DeviceScene) =>
      installing(scene, { bundle: withDefaultAnswer(fresh(), [{ ...soundRow, ...row }]) }),
  })),
  ...refusedGraphs.map(({ code, title, graph }) => ({
    code,
    title: `a signed graph ${title}`,
    prepare: (scene: DeviceScene) => installing(scene, { bundle: fresh(graph()) }),
  })),
  {
    code: 'slot-name-refused',
    title: 'a file of a slot would lie outside of it',
    prepare: (scene) => async () => {
      const slot = { app: 'adder' as AppName, digest: digest('5') };
      const file = { name: '../../state/update.journal', digest: digest('6'), bytes: 1 };
      return codeOfResult(await scene.slots.stage(slot, [file]));
    },
  },
  {
    code: 'parent-unknown',
    title: 'a federated candidate names no parent',
    prepare: (scene) => {
      const { digest: own, manifest, config, blobs } = fresh();
      const { digest: place } = (
        JSON.parse(Buffer.from(manifest).toString()) as { config: { digest: typeof own } }
      ).config;
      const decoded = decodeBundle(manifest, blobs.get(place) ?? new Uint8Array());
      if (!decoded.ok) throw new Error(decoded.error.message);
      const candidate = { digest: own, manifest: decoded.value.manifest, config };
      return async () => codeOfResult(await scene.candidates.check(candidate));
    },
  },
];

const blobs: readonly BadCase<DeviceScene>[] = [
  {
    code: 'blob-digest-mismatch',
    title: 'a blob arrives with one bit flipped, again and again',
    prepare: arriving((bytes) => {
      const flipped = bytes.slice();
      flipped[7] = 255;
      return answer(flipped);
    }),
  },
  {
    code: 'response-too-large',
    title: 'a blob announces more than was signed',
    prepare: arriving((bytes) => answer(bytes, [['content-length', '999999999']])),
  },
  {
    code: 'range-mismatch',
    title: 'a part comes that nobody asked for',
    prepare: arriving((bytes) => answer(bytes, [['content-range', 'bytes 8-15/16']], 206)),
  },
  {
    code: 'content-encoding-refused',
    title: 'a blob comes compressed',
    prepare: arriving((bytes) => answer(bytes, [['content-encoding', 'gzip']])),
  },
  {
    code: 'tuf-target-mismatch',
    title: 'the keys of the director are not those that were signed',
    prepare: async ({ origin, catalogue }) => {
      const { operator, files } = origin;
      operator.director = { ...operator.director, version: operator.director.version + 1 };
      const before = new Set(files.keys());
      await origin.publish();
      const path = [...files.keys()].find(
        (name) => !before.has(name) && name.endsWith('.director.json'),
      );
      const good = files.get(path ?? '');
      // All that is signed and whole arrives first; what is left is the one bad file.
      files.delete(path ?? '');
      await catalogue.refresh({ kind: 'trusted', nowMs: operator.clock.ms });
      files.set(path ?? '', (good ?? new Uint8Array()).slice(1));
      return async () =>
        codeOfResult(await catalogue.refresh({ kind: 'trusted', nowMs: operator.clock.ms }));
    },
  },
];

export const installs = atDoor({
  name: 'a bundle to the device',
  open: () => DeviceScene.open(),
  cases: [...targets, ...blobs],
});
