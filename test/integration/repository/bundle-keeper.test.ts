import { beforeEach, describe, expect, test } from 'vitest';
import type { RoundState } from '../../../fleet-server/core/federation/round-state.ts';
import type { DeviceApp } from '../../../fleet-server/core/model/device-app.ts';
import type { Rollout } from '../../../fleet-server/core/model/rollout.ts';
import type { StoreTx } from '../../../fleet-server/ports/store.ts';
import {
  ImageRepository,
  type ImageRepositoryPorts,
} from '../../../fleet-server/runner/image-repository.ts';
import type { TargetCustom } from '../../../shared/contracts/bundle-config.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { streamOf } from '../../../shared/core/byte-stream.ts';
import type { Json } from '../../../shared/core/canonical-json.ts';
import type { Digest, TargetPath } from '../../../shared/core/ids.ts';
import { ed25519Key } from '../../../shared/trust/tuf/repository.ts';
import { RecordingLog } from '../../../sim/world/recording-log.ts';
import { RepositoryWorld } from '../../support/repository-world.ts';
import { sampleBundle } from '../../support/sample-bundle.ts';
import {
  device,
  deviceApp,
  exposure,
  filetype,
  harbour,
  plant,
  rollout,
  rolloutId,
  roundId,
} from '../../support/store-nouns.ts';
import { dayMs } from '../../support/tuf-repository.ts';

const v1 = sampleBundle();
/** Shares graph and golden vectors with the first; its weights are its own. */
const v2 = sampleBundle({ version: '2.0.0', fill: 2 });
const path = 'bundles/adder@1.0.0' as TargetPath;
const keptMs = limits.bundleDaysKept * dayMs;
const all = (bundle = v1): readonly Digest[] => [bundle.digest, ...bundle.blobs.keys()];
const own = [...v1.blobs.keys()].filter((digest) => !v2.blobs.has(digest));
const manifestOf = JSON.parse(new TextDecoder().decode(v1.manifest)) as {
  readonly config: { readonly digest: Digest };
};
const config = manifestOf.config.digest;

let world: RepositoryWorld;
let repository: ImageRepository;

const open = (change: Partial<ImageRepositoryPorts>): Promise<ImageRepository> => {
  const { store, blobs, keys, clock, firstRoot } = world;
  return ImageRepository.open({ store, blobs, keys, clock, ...change }, { firstRoot });
};
const publish = async (change: Partial<TargetCustom> = {}): Promise<string> => {
  world.name(v1, change);
  return world.publish(repository);
};
/** Retires the first bundle, and waits until its time is over. */
const retire = async (change: Partial<TargetCustom> = {}): Promise<void> => {
  expect(await publish({ status: 'retired', ...change })).toBe('ok');
  world.clock.ms += keptMs;
};
/** Everything that may go, goes. */
const sweep = async (): Promise<readonly TargetPath[]> => {
  const released = await repository.releaseContent();
  while ((await repository.collectGarbage()) > 0);
  return released;
};
const missingOf = async (digests: readonly Digest[]): Promise<readonly Digest[]> => {
  const missing = [];
  for (const digest of digests) {
    if ((await world.blobs.size(digest)) === undefined) missing.push(digest);
  }
  return missing.sort();
};
const rowOf = () => world.store.read((view) => view.bundles.get(plant, path));
const write = (work: (tx: StoreTx) => Promise<unknown>) => world.store.transaction(work);

beforeEach(async () => {
  ({ world, repository } = await RepositoryWorld.open());
  await write((tx) => tx.fleets.insert({ fleet: harbour, title: 'Harbour', createdAtMs: 1 }));
  for (const bundle of [v1, v2]) {
    await world.upload(repository, bundle);
    world.name(bundle);
  }
  expect(await world.publish(repository)).toBe('ok');
});

describe('a retired bundle that nobody needs', () => {
  test('when its time is over, what it shares with nobody is gone but its papers, and the next version is whole', async () => {
    expect(own).toHaveLength(2);
    await retire();
    world.clock.ms -= 1;
    expect(await sweep()).toEqual([]);
    expect(await missingOf(all())).toEqual([]);
    world.clock.ms += 1;
    expect(await sweep()).toEqual([path]);
    expect(await missingOf(all())).toEqual(own.filter((digest) => digest !== config));
    expect(await missingOf(all(v2))).toEqual([]);
    expect(await rowOf()).toMatchObject({
      contentReleasedAtMs: world.clock.ms,
      status: 'deprecated',
    });
    const last = await world.store.read((view) => view.audit.last());
    expect(last).toMatchObject({
      actor: 'skein',
      action: 'bundle-content-released',
      subject: path,
    });
    expect(await sweep()).toEqual([]);
  });

  test('when a device asks for what was let go, it does not exist, the papers neither; shared blobs do', async () => {
    const scope = { fleets: [plant], seesUploads: false } as const;
    const { registry } = repository;
    const manifest = (reference: string) =>
      registry.readManifest(scope, { name: 'adder', reference });
    expect(await manifest('1.0.0')).toBeDefined();
    await retire();
    await sweep();
    expect(await manifest('1.0.0')).toBeUndefined();
    expect(await manifest(v1.digest)).toBeUndefined();
    for (const digest of own) expect(await registry.blobSize(scope, digest)).toBeUndefined();
    for (const digest of all(v2).slice(1)) {
      expect(await registry.blobSize(scope, digest), digest).toBeDefined();
    }
    expect(await manifest('2.0.0')).toBeDefined();
    expect(await registry.listVersions(scope, 'adder')).toEqual(['2.0.0']);
  });

  test('when it is revoked, it goes by the same rule', async () => {
    world.revoked = [{ digest: v1.digest, reason: 'bad-model', then: 'stop' }];
    await retire();
    expect(await sweep()).toEqual([path]);
  });

  test('when it was revoked by a blob and its target still says live, later files are published all the same', async () => {
    const [weights] = own.filter((digest) => digest !== config);
    world.revoked = [{ digest: weights as Digest, reason: 'bad-blob', then: 'stop' }];
    expect(await world.publish(repository)).toBe('ok');
    world.clock.ms += keptMs;
    expect(await sweep()).toEqual([path]);
    expect(await world.publish(repository)).toBe('ok');
    expect(await rowOf()).toMatchObject({ status: 'revoked', contentReleasedAtMs: world.clock.ms });
  });

  test('when a blob of it is revoked later, its papers still say whom that means', async () => {
    await retire();
    await sweep();
    const again = await world.openRepository();
    const [weights] = own.filter((digest) => digest !== config);
    world.revoked = [{ digest: weights as Digest, reason: 'bad-blob', then: 'stop' }];
    repository = again;
    expect(await world.publish(again)).toBe('ok');
    expect(again.revoked.has(v1.digest)).toBe(true);
  });

  test('when the server runs, it looks at its start and once a day, and says what went', async () => {
    await retire();
    world.clock.ms -= 3_600_000;
    const startMs = world.clock.ms;
    const log = new RecordingLog();
    const stop = new AbortController();
    let looks = 0;
    const clock = {
      nowMs: () => world.clock.ms,
      monotonicMs: () => world.clock.ms,
      sleepUntil: async (ms: number) => {
        looks += 1;
        if (log.entries.length > 0 || looks > 200) stop.abort();
        else world.clock.ms = ms;
      },
    };
    await (await open({ clock })).keepFresh(stop.signal, log);
    expect(log.entries.map(({ fields }) => [fields['event'], fields['paths']])).toEqual([
      ['content-released', [path]],
    ]);
    expect(world.clock.ms - startMs).toBe(limits.bundleLookMs);
  });
});

describe('a retired bundle that somebody needs', () => {
  const on = (change: Partial<DeviceApp>) =>
    deviceApp('d1', { desired: null, active: null, lastGood: null, ...change });
  const wanted = { path, digest: v1.digest, rollout: null, retry: 0, sinceMs: 1 };
  const reporting = {
    phase: 'reporting',
    plan: { request: { bundle: { digest: v1.digest } }, parent: v2.digest },
  } as unknown as RoundState;
  const round = (status: string) => ({
    ...{ fleet: plant, round: roundId('a'), app: filetype, status, version: 1 },
    ...{ reducerState: reporting as unknown as Json, createdAtMs: 0, updatedAtMs: 0 },
  });
  const naming = (status: Rollout['status']) => rollout('a', { status, digest: v1.digest });

  test.each<[string, (tx: StoreTx) => Promise<unknown>, (tx: StoreTx) => Promise<unknown>]>([
    [
      'a device runs it',
      (tx) => tx.deviceApps.put(on({ active: v1.digest })),
      (tx) => tx.deviceApps.put(on({ active: v2.digest })),
    ],
    [
      'a device would go back to it',
      (tx) => tx.deviceApps.put(on({ previous: wanted })),
      (tx) => tx.devices.update(plant, device('d1').device, { state: 'decommissioned' }),
    ],
    [
      'an offer of an open rollout names it as what was before',
      async (tx) => {
        await tx.rollouts.insert(rollout('b', { status: 'aborting' }));
        const previous = { app: filetype, path, digest: v1.digest, retry: 0 };
        const offered = exposure('d1', { rollout: rolloutId('b'), previous });
        await tx.offers.put(plant, { cell: 7, arm: 'wave', exposure: offered });
      },
      (tx) => end(tx, 'b'),
    ],
    ['a draft names it', (tx) => tx.rollouts.insert(naming('draft')), (tx) => end(tx, 'a')],
    [
      'a paused rollout names it',
      (tx) => tx.rollouts.insert(naming('paused')),
      (tx) => end(tx, 'a'),
    ],
    [
      'a round trains it',
      (tx) => tx.rounds.insert(round('reporting')),
      (tx) =>
        tx.rounds.update(plant, roundId('a'), {
          ...{ expectedVersion: 1, patch: { status: 'abandoned' }, nowMs: 1 },
        }),
    ],
  ])('when %s, it stays, and goes when that is over', async (_, need, over) => {
    await write((tx) => tx.devices.insert(device('d1')));
    await retire();
    await write(need);
    expect(await sweep()).toEqual([]);
    expect(await missingOf(all())).toEqual([]);
    await write(over);
    expect(await sweep()).toEqual([path]);
  });

  const end = (tx: StoreTx, digit: string) =>
    tx.rollouts.update(plant, rolloutId(digit), {
      ...{ expectedVersion: 1, patch: { status: 'aborted' }, nowMs: 1 },
    });

  test('when only the last of more devices than a page has it, it stays; a server that stops lets nothing go', async () => {
    await retire();
    const stop = new AbortController();
    let pauses = 0;
    const clock = {
      nowMs: () => world.clock.ms,
      monotonicMs: () => 0,
      sleepUntil: async () => {
        pauses += 1;
      },
    };
    const walking = await open({ clock });
    const names = Array.from({ length: limits.storePageMax + 1 }, (_, at) => `d${10_000 + at}`);
    const apps = names.map((name) => ({
      ...on({ active: v2.digest }),
      device: device(name).device,
    }));
    await write(async (tx) => {
      for (const name of names) await tx.devices.insert(device(name));
      await tx.deviceApps.putMany(apps);
      await tx.deviceApps.put({ ...on({ lastGood: v1.digest }), device: apps.at(-1)!.device });
    });
    expect(await walking.releaseContent()).toEqual([]);
    expect(pauses).toBe(1);
    await write((tx) => tx.deviceApps.put(apps.at(-1)!));
    stop.abort();
    expect(await walking.releaseContent(stop.signal)).toEqual([]);
    expect(pauses).toBe(1);
    expect(await walking.releaseContent()).toEqual([path]);
  });

  test('when another fleet got it later and retired it later, it stays as long as there', async () => {
    expect(await publish({ fleets: [harbour] })).toBe('ok');
    world.clock.ms += keptMs;
    expect(await sweep()).toEqual([]);
    await retire({ fleets: [harbour] });
    expect(await sweep()).toEqual([path]);
    const rows = await world.store.read((view) => view.bundles.listRows(path));
    expect(rows.map(({ contentReleasedAtMs }) => contentReleasedAtMs)).toEqual([
      world.clock.ms,
      world.clock.ms,
    ]);
  });

  test('when a candidate that has its content descends from it, it stays until that one is let go', async () => {
    const key = ed25519Key(world.keys.signer('federated').publicKey);
    const paths = ['federated/plant/*'];
    world.delegations = [
      { name: 'federated-plant', paths, terminating: true, keys: [key], threshold: 1 },
    ];
    const child = sampleBundle({ version: '3.0.0', parent: v1.digest });
    await world.upload(repository, child);
    world.name(child);
    expect(await world.publish(repository)).toBe('ok');
    await retire();
    expect(await sweep()).toEqual([]);
    world.name(child, { status: 'retired' });
    await world.publish(repository);
    world.clock.ms += keptMs;
    // The parent is looked at before its child went.
    expect(await sweep()).toEqual(['bundles/adder@3.0.0']);
    expect(await sweep()).toEqual([path]);
  });

  test('when a rollout is drafted between the look and the release, it stays', async () => {
    await retire();
    const { store } = world;
    let looks = 0;
    const late = new Proxy(store, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (name !== 'transaction' || typeof value !== 'function') {
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        }
        return async (work: (tx: StoreTx) => Promise<unknown>) => {
          looks += 1;
          await store.transaction((tx) => tx.rollouts.insert(naming('draft')));
          return store.transaction(work);
        };
      },
    });
    const other = await open({ store: late });
    expect(await other.releaseContent()).toEqual([]);
    expect(looks).toBe(1);
    expect(await rowOf()).toMatchObject({ contentReleasedAtMs: null });
  });
});

describe('a bundle that is made live again', () => {
  test('when its content was let go and is not here, the file is refused', async () => {
    await retire();
    await sweep();
    expect(await publish({ status: 'live' })).toBe('bundle-incomplete');
    expect(await rowOf()).toMatchObject({ status: 'deprecated' });
  });

  test('when its content was uploaded again, it is served and held as before', async () => {
    await retire();
    await sweep();
    for (const [digest, bytes] of v1.blobs) await repository.putBlob(digest, streamOf(bytes));
    expect(await publish({ status: 'live' })).toBe('ok');
    expect(await rowOf()).toMatchObject({ status: 'live', contentReleasedAtMs: null });
    const last = await world.store.read((view) => view.audit.last());
    expect(last).toMatchObject({ details: { added: [], revived: [path] } });
    world.clock.ms += limits.uploadKeptMs + 1;
    expect(await sweep()).toEqual([]);
    expect(await missingOf(all())).toEqual([]);
    await retire();
    expect(await sweep()).toEqual([path]);
  });

  test('when its content is still here, it needs nothing', async () => {
    await retire();
    expect(await publish({ status: 'live' })).toBe('ok');
    expect(await sweep()).toEqual([]);
    expect(await missingOf(all())).toEqual([]);
  });

  test('when it is read by one more fleet and stays retired, its row there says that nothing is here', async () => {
    await publish({ fleets: [plant] });
    await retire({ fleets: [plant] });
    await sweep();
    expect(await publish({ status: 'retired', fleets: [plant, harbour] })).toBe('ok');
    const row = await world.store.read((view) => view.bundles.get(harbour, path));
    expect(row?.contentReleasedAtMs).not.toBeNull();
  });
});
