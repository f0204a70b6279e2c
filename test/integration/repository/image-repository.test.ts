import { beforeEach, describe, expect, test } from 'vitest';
import { parseServerConfig } from '../../../fleet-server/config.ts';
import { ImageRepository } from '../../../fleet-server/runner/image-repository.ts';
import { streamOf } from '../../../shared/core/byte-stream.ts';
import { textOf, utf8 } from '../../../shared/core/bytes.ts';
import type { TargetPath } from '../../../shared/core/ids.ts';
import type { KeyStore } from '../../../shared/ports/key-store.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { MetadataStore } from '../../../shared/trust/tuf/metadata-store.ts';
import { parseMetadata } from '../../../shared/trust/tuf/parse-metadata.ts';
import { ed25519Key, signBodyOnline, targetsBody } from '../../../shared/trust/tuf/repository.ts';
import { TufClient } from '../../../shared/trust/tuf/tuf-client.ts';
import { MemoryDisk } from '../../../sim/world/memory-disk.ts';
import { seededSigner } from '../../../sim/world/seeded-keys.ts';
import { loopModel } from '../../support/onnx-graphs.ts';
import { RepositoryWorld } from '../../support/repository-world.ts';
import { sampleBundle } from '../../support/sample-bundle.ts';
import { harbour, plant } from '../../support/store-nouns.ts';
import { day0Ms } from '../../support/tuf-repository.ts';
import { ed25519Signer } from '../../support/tuf-signers.ts';
import { refusedGraphs } from '../bad-input/bad-bundles.ts';

let world: RepositoryWorld;
let repository: ImageRepository;
const v1 = sampleBundle();
const v2 = sampleBundle({ version: '2.0.0', fill: 2 });

beforeEach(async () => {
  ({ world, repository } = await RepositoryWorld.open());
});

const publishBundle = async (bundle = v1): Promise<string> => {
  await world.upload(repository, bundle);
  world.name(bundle);
  return world.publish(repository);
};

/** Of timestamp and snapshot, counted from the seconds at which the world began. */
const versionsOf = async (): Promise<readonly number[]> => {
  const timestamp = parseMetadata(
    'timestamp',
    (await repository.readMetadata('timestamp.json')) ?? new Uint8Array(),
  );
  if (!timestamp.ok) throw new Error(timestamp.error.message);
  const { version, snapshot } = timestamp.value.body;
  const first = day0Ms / 1000 - 1;
  return [version - first, snapshot.version - first];
};

/** A device's whole refresh against what is served now. */
const refresh = async (disk = new MemoryDisk()) => {
  const store = new MetadataStore({ disk, folder: 'trust', pinnedRoot: world.firstRoot });
  const source = { fetch: (name: string) => repository.readMetadata(name) };
  return new TufClient({ source, store }).refresh({ kind: 'trusted', nowMs: world.clock.ms });
};

describe('publishing', () => {
  test('when targets are signed and whole, they are served byte for byte and a device accepts them', async () => {
    const file = world.targetsFile();
    expect(await world.publish(repository, file)).toBe('ok');
    expect(await repository.readMetadata('1.targets.json')).toEqual(file);
    expect(await refresh()).toMatchObject({ ok: true });
    const again = { name: '1.targets.json', bytes: file, actor: 'olga' };
    expect(await repository.publishMetadata(again)).toMatchObject({ value: { isNew: false } });
    expect(await versionsOf()).toEqual([1, 1]);
  });

  test('when a bundle is published, it is registered, its blobs are held and the audit says who', async () => {
    expect(await publishBundle()).toBe('ok');
    await world.store.read(async (view) => {
      const bundle = await view.bundles.find(plant, v1.digest);
      expect(bundle).toMatchObject({ name: 'adder', version: '1.0.0', status: 'live', fleet: '*' });
      for (const digest of [v1.digest, ...v1.blobs.keys()]) {
        expect(await view.blobs.isHeld(digest), digest).toBe(true);
      }
      const last = await view.audit.last();
      expect(last).toMatchObject({ actor: 'olga', subject: '1.targets.json' });
    });
  });

  test('when two versions share tensors, the shared blob is stored once', async () => {
    await publishBundle();
    const same = sampleBundle({ version: '2.0.0' });
    const shared = [...same.blobs.keys()].filter((digest) => v1.blobs.has(digest));
    expect(shared.length).toBe(3);
    for (const [digest, bytes] of same.blobs) {
      if (!shared.includes(digest)) await repository.putBlob(digest, streamOf(bytes));
    }
    await repository.putBlob(same.digest, streamOf(same.manifest));
    world.name(same);
    expect(await world.publish(repository)).toBe('ok');
  });

  test('when nobody who may has signed, nothing is served', async () => {
    for (const sign of [[], [ed25519Signer('stranger').sign], [world.rootKeys[0]!.sign]]) {
      const file = world.targetsFile({ sign });
      expect(await world.publish(repository, file)).toBe('tuf-threshold-targets');
    }
    expect(await repository.readMetadata('timestamp.json')).toBeUndefined();
  });

  test('when a version is skipped, repeated with other content or misnamed, it is refused', async () => {
    await world.publish(repository);
    const other = world.targetsFile({ change: { note: 'x', version: 1 } });
    const publish = (name: string, bytes: Uint8Array) =>
      repository.publishMetadata({ name, bytes, actor: 'olga' });
    const third = world.targetsFile({ change: { version: 3 } });
    const old = world.targetsFile({ change: { version: 1 } });
    for (const [name, bytes] of [
      ['1.targets.json', other],
      ['3.targets.json', third],
      ['2.targets.json', old],
      ['3.targets.json', world.targetsFile()],
    ] as const) {
      expect(await publish(name, bytes), name).toMatchObject({
        error: { code: 'metadata-not-next' },
      });
    }
    for (const name of ['timestamp.json', '2.snapshot.json', '2.targets.json/..', 'x']) {
      expect(await publish(name, third)).toMatchObject({
        error: { code: 'metadata-name-refused' },
      });
    }
    expect(await versionsOf()).toEqual([1, 1]);
  });

  test('when targets have expired, they are refused', async () => {
    const file = world.targetsFile({ change: { expires: '2020-01-01T00:00:00Z' } });
    expect(await world.publish(repository, file)).toBe('tuf-expired-targets');
  });

  test('when two publish at once, one follows the other and one is told to start over', async () => {
    const [a, b] = [world.targetsFile(), world.targetsFile({ change: { note: 'b' } })];
    await world.publish(repository);
    world.version = 0;
    const outcomes = await Promise.all([
      repository.publishMetadata({ name: '1.targets.json', bytes: a, actor: 'a' }),
      repository.publishMetadata({ name: '1.targets.json', bytes: b, actor: 'b' }),
    ]);
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, false]);
  });
});

describe('bundles', () => {
  test('when a blob is missing or altered, the bundle is refused and nothing changes', async () => {
    await world.publish(repository);
    world.name(v1);
    expect(await world.publish(repository)).toBe('bundle-incomplete');
    await world.upload(repository, v1);
    const tensor = v1.config.variants[0]!.tensors[0]!.digest;
    await world.blobs.remove(tensor);
    expect(await world.publish(repository)).toBe('bundle-incomplete');
    await world.upload(repository, v1);
    world.blobs.flipByte(v1.config.variants[0]!.graph, 3);
    expect(await world.publish(repository)).toBe('bundle-incomplete');
    expect(await world.store.read((view) => view.bundles.find(plant, v1.digest))).toBeNull();
    expect(await versionsOf()).toEqual([1, 1]);
  });

  test('when a graph does not pass the guard, the bundle is refused', async () => {
    const graph = loopModel(1n).slice(0, -3);
    expect(await publishBundle(sampleBundle({ graph }))).toBe('onnx-malformed');
  });

  test.each([
    ['onnx-ep-context', 'ep-context', 'org.example'],
    ['onnx-operator-refused', 'org.example', 'ep-context'],
  ])(
    'when a graph meets %s, it is refused by default and with another word, and published with its own',
    async (code, word, other) => {
      const graph = refusedGraphs.find((one) => one.code === code)?.graph();
      const bundle = sampleBundle(graph === undefined ? {} : { graph });
      expect(await publishBundle(bundle)).toBe(code);
      const upload = { name: '1.targets.json', bytes: world.targetsFile(), actor: 'olga' };
      const refused = await repository.publishMetadata(upload);
      const message = expect.stringContaining(`the word ${word} in policy.onnx`) as string;
      expect(refused).toMatchObject({ error: { code, message } });
      const wordsOf = (said: string) => {
        const file = { policy: { onnx: [said] } };
        const config = parseServerConfig({ file, environment: {}, settings: [] });
        return config.ok ? config.value.policy : {};
      };
      const wrong = await world.openRepository(world.firstRoot, wordsOf(other));
      expect(await wrong.publishMetadata(upload)).toMatchObject({ error: { code } });
      const allowing = await world.openRepository(world.firstRoot, wordsOf(word));
      expect(await allowing.publishMetadata(upload)).toMatchObject({ value: { isNew: true } });
    },
  );

  test('when the server is told words of graphs, environment and flags read the same list; what is no word is a start-up error', () => {
    const parse = (words: string) =>
      parseServerConfig({
        ...{ file: undefined, settings: [] },
        environment: { SKEIN_SERVER_POLICY_ONNX: words },
      });
    expect(parse('ep-context,com.microsoft')).toMatchObject({
      value: { policy: { onnx: { epContext: true, domains: ['com.microsoft'] } } },
    });
    expect(parse('everything')).toMatchObject({ error: { code: 'config-invalid' } });
    const silent = parseServerConfig({ file: undefined, environment: {}, settings: [] });
    expect(silent).toMatchObject({
      value: { policy: { onnx: { epContext: false, domains: [] } } },
    });
  });

  test('when what was published changes, vanishes or goes back, it is refused', async () => {
    await publishBundle();
    await world.upload(repository, v2);
    const kept = new Map(world.targets);
    const refusals: [string, () => void][] = [
      ['release-lost', () => world.targets.clear()],
      [
        'release-changed',
        () =>
          world.targets.set('bundles/adder@1.0.0', {
            ...kept.get('bundles/adder@1.0.0')!,
            bytes: v2.manifest,
          }),
      ],
      ['release-counter-low', () => world.name(v2, { releaseCounter: 1 })],
      ['release-invalid', () => world.name(v2, { version: '2.0.1' })],
      ['target-path-refused', () => world.targets.set('elsewhere', { bytes: utf8('x') })],
      [
        'below-rollback-floor',
        () => {
          world.rollbackFloor = { adder: 2 };
        },
      ],
      [
        'digest-revoked',
        () => {
          world.revoked = [{ digest: v1.digest, reason: 'bad-model', then: 'stop' }];
        },
      ],
    ];
    for (const [code, change] of refusals) {
      world.targets = new Map(kept);
      change();
      expect(await world.publish(repository), code).toBe(code);
      world.rollbackFloor = {};
      world.revoked = [];
    }
  });

  test('when a bundle is retired and revoked, the registry says so and the revocation stays', async () => {
    await publishBundle();
    world.name(v1, { status: 'retired' });
    expect(await world.publish(repository)).toBe('ok');
    const status = async () =>
      (await world.store.read((view) => view.bundles.find(plant, v1.digest)))?.status;
    expect(await status()).toBe('deprecated');
    world.revoked = [{ digest: v1.digest, reason: 'bad-model', then: 'stop' }];
    world.rollbackFloor = { adder: 2 };
    expect(await world.publish(repository)).toBe('ok');
    expect(await status()).toBe('revoked');
    expect([...repository.revoked]).toEqual([v1.digest]);
    world.revoked = [];
    expect(await world.publish(repository)).toBe('revocation-lost');
    world.revoked = [{ digest: v1.digest, reason: 'bad-model', then: 'stop' }];
    world.rollbackFloor = { adder: 1 };
    expect(await world.publish(repository)).toBe('rollback-floor-lowered');
    const reopened = await world.openRepository();
    expect([...reopened.revoked]).toEqual([v1.digest]);
  });

  test('when an ancestor or a blob is revoked, so is every bundle that descends from it or holds it', async () => {
    const child = sampleBundle({ version: '2.0.0', fill: 2, parent: v1.digest });
    const grandchild = sampleBundle({ version: '3.0.0', fill: 3, parent: child.digest });
    const line = [v1, child, grandchild];
    for (const bundle of line) {
      await world.upload(repository, bundle);
      world.name(bundle, { status: 'retired' });
    }
    const statuses = () =>
      world.store.read((view) =>
        Promise.all(
          line.map(async ({ digest }) => (await view.bundles.find(plant, digest))?.status),
        ),
      );
    expect(await world.publish(repository)).toBe('ok');
    expect([...repository.revoked]).toEqual([]);
    const tensor = child.config.variants[0]!.tensors[0]!.digest;
    world.revoked = [{ digest: tensor, reason: 'bad-blob', then: 'stop' }];
    expect(await world.publish(repository)).toBe('ok');
    const byBlob = [tensor, child.digest, grandchild.digest].sort();
    expect([...repository.revoked].sort()).toEqual(byBlob);
    expect(await statuses()).toEqual(['deprecated', 'revoked', 'revoked']);
    world.revoked.push({ digest: v1.digest, reason: 'bad-data', then: 'stop' });
    expect(await world.publish(repository)).toBe('ok');
    const all = [...byBlob, v1.digest].sort();
    expect([...repository.revoked].sort()).toEqual(all);
    expect(await statuses()).toEqual(['revoked', 'revoked', 'revoked']);
    expect([...(await world.openRepository()).revoked].sort()).toEqual(all);
  });

  test('when an ancestor is only to be replaced, nothing offers its descendants and no order stops them', async () => {
    const child = sampleBundle({ version: '2.0.0', fill: 2, parent: v1.digest });
    for (const bundle of [v1, child]) {
      await world.upload(repository, bundle);
      world.name(bundle, { status: 'retired' });
    }
    world.revoked = [{ digest: v1.digest, reason: 'old-data', then: 'replace' }];
    expect(await world.publish(repository)).toBe('ok');
    expect([...repository.revoked]).toEqual([]);
    const found = await world.store.read((view) => view.bundles.find(plant, child.digest));
    expect(found?.status).toBe('revoked');
  });

  test('when a bundle names its fleet, another fleet cannot read it or its blobs', async () => {
    await world.upload(repository, v1);
    world.name(v1, { fleets: [plant] });
    expect(await world.publish(repository)).toBe('ok');
    const { registry } = repository;
    const wanted = { name: 'adder', reference: '1.0.0' };
    const scopeOf = (fleet: typeof plant) => ({ fleets: [fleet], seesUploads: false });
    expect((await registry.readManifest(scopeOf(plant), wanted))?.digest).toBe(v1.digest);
    expect(await registry.readManifest(scopeOf(harbour), wanted)).toBeUndefined();
    const tensor = v1.config.variants[0]!.tensors[0]!.digest;
    expect(await registry.blobSize(scopeOf(plant), tensor)).toBe(2048 * 4);
    expect(await registry.blobSize(scopeOf(harbour), tensor)).toBeUndefined();
    expect(await registry.listVersions(scopeOf(plant), 'adder')).toEqual(['1.0.0']);
  });
});

describe('fixed targets', () => {
  test('when a fixed target is malformed, missing or its keys go back, it is refused', async () => {
    expect(await repository.putFixedTarget('director.json', utf8('{}'))).toMatchObject({
      error: { code: 'schema-mismatch' },
    });
    expect(await repository.putFixedTarget('other.json', utf8('{}'))).toMatchObject({
      error: { code: 'metadata-name-refused' },
    });
    const bytes = world.targetsFile();
    const early = await repository.publishMetadata({ name: '1.targets.json', bytes, actor: 'o' });
    expect(early).toMatchObject({ error: { code: 'fixed-target-missing' } });
    await world.publish(repository);
    const { director } = world;
    world.director = { ...director, keys: ['ab'.repeat(32)] };
    expect(await world.publish(repository)).toBe('director-keys-older');
    world.director = { ...director, version: 2, keys: ['ab'.repeat(32)] };
    expect(await world.publish(repository)).toBe('ok');
    expect(repository.directorKeys?.version).toBe(2);
    world.director = director;
    expect(await world.publish(repository)).toBe('director-keys-older');
  });

  test('when a fixed target is uploaded and not signed, it is not served', async () => {
    const put = await repository.putFixedTarget('revoked.json', world.revokedBytes);
    const name = `targets/${digestOf(world.revokedBytes).slice(7)}.revoked.json`;
    expect(put.ok).toBe(true);
    expect(await repository.readMetadata(name)).toBeUndefined();
    await world.publish(repository);
    expect(await repository.readMetadata(name)).toEqual(world.revokedBytes);
  });
});

describe('roots', () => {
  const publishRoot = (bytes: Uint8Array) =>
    repository.publishMetadata({ name: '2.root.json', bytes, actor: 'olga' });

  test('when a root is signed by the old and the new threshold, it is served and devices follow', async () => {
    await publishBundle();
    const disk = new MemoryDisk();
    expect(await refresh(disk)).toMatchObject({ ok: true });
    expect(await publishRoot(world.rootFile({ version: 2 }))).toMatchObject({ ok: true });
    expect(await refresh(disk)).toMatchObject({ value: { root: { version: 2 } } });
    expect(await versionsOf()).toEqual([2, 2]);
  });

  test('when a root lacks signatures, skips, or shuts this server out, it is refused', async () => {
    const [one] = world.rootKeys;
    const codes: [string, Uint8Array][] = [
      ['tuf-threshold-root', world.rootFile({ version: 2, signers: [one!] })],
      ['metadata-not-next', world.rootFile({ version: 3 })],
      ['online-key-unlisted', world.rootFile({ version: 2, snapshot: seededSigner('other') })],
    ];
    for (const [code, bytes] of codes) {
      expect(await publishRoot(bytes), code).toMatchObject({ error: { code } });
    }
    const director = world.keys.signer('director');
    const stolen = { key: ed25519Key(director.publicKey), sign: world.targetsKey.sign };
    const twoRoles = world.rootFile({ version: 2, targets: [world.targetsKey, stolen] });
    expect(await publishRoot(twoRoles)).toMatchObject({ error: { code: 'key-in-two-roles' } });
  });

  test('when a later root no longer lists the keys of this server, it does not open', async () => {
    await publishBundle();
    const bytes = world.rootFile({ version: 2, snapshot: seededSigner('next') });
    const served = { name: '2.root.json', bytes, storedAtMs: world.clock.ms };
    await world.store.transaction((tx) => tx.tufFiles.put(served));
    await expect(world.openRepository()).rejects.toMatchObject({ code: 'online-key-unlisted' });
  });

  test('when the server is started with another first root, it does not open', async () => {
    const other = world.rootFile({ version: 1, signers: world.rootKeys });
    await expect(world.openRepository(other)).rejects.toMatchObject({ code: 'root-mismatch' });
    await expect(world.openRepository(utf8('{}'))).rejects.toMatchObject({ code: 'root-mismatch' });
  });
});

describe('renewal', () => {
  test('when half of a life has passed, timestamp and later snapshot are signed again', async () => {
    await publishBundle();
    const disk = new MemoryDisk();
    await refresh(disk);
    expect(await repository.renew()).toBe(false);
    world.clock.ms += 13 * 3_600_000;
    expect(await repository.renew()).toBe(true);
    expect(await versionsOf()).toEqual([1 + 13 * 3600, 1]);
    world.clock.ms += 4 * 86_400_000;
    expect(await refresh(disk)).toMatchObject({ error: { code: 'tuf-expired-timestamp' } });
    expect(await repository.renew()).toBe(true);
    const fourDays = 1 + 13 * 3600 + 4 * 86_400;
    expect(await versionsOf()).toEqual([fourDays, fourDays]);
    expect(await refresh(disk)).toMatchObject({ ok: true });
  });

  test('when a server has forgotten what it signed last, devices still follow what it signs next', async () => {
    await publishBundle();
    for (let i = 0; i < 5; i += 1) {
      world.clock.ms += 4 * 86_400_000;
      expect(await repository.renew()).toBe(true);
    }
    const disk = new MemoryDisk();
    expect(await refresh(disk)).toMatchObject({ ok: true });
    // The same keys, and a store that knows nothing of the renewals.
    const restored = await RepositoryWorld.open();
    restored.world.clock.ms = world.clock.ms + 1000;
    ({ world, repository } = restored);
    expect(await publishBundle()).toBe('ok');
    expect(await refresh(disk)).toMatchObject({ ok: true });
  });
});

describe('federated candidates', () => {
  const delegate = (paths = ['federated/plant/*']): void => {
    const key = ed25519Key(world.keys.signer('federated').publicKey);
    const grant = { name: 'federated-plant', paths, terminating: true, keys: [key], threshold: 1 };
    world.delegations = [grant];
  };
  const candidateOf = (change: { readonly fill?: number; readonly elements?: number }) => {
    const made = sampleBundle({ version: '1.0.1', ...change });
    return { ...made, parent: v1.digest };
  };

  test('when a delegation is not a fleet’s own, or is lost, the file is refused', async () => {
    delegate(['bundles/*']);
    expect(await world.publish(repository)).toBe('delegation-refused');
    delegate();
    expect(await world.publish(repository)).toBe('ok');
    world.delegations = [];
    expect(await world.publish(repository)).toBe('role-lost');
  });

  test('when targets delegate to another key, the server with that key signs the same candidates anew', async () => {
    delegate();
    await world.publish(repository);
    const expiresAtMs = world.clock.ms + 86_400_000;
    const body = targetsBody({ version: 7, expiresAtMs, targets: [] });
    const bytes = await signBodyOnline(body, world.keys.signer('federated'));
    const name = '7.federated-plant.json';
    expect(await repository.publishMetadata({ name, bytes, actor: 'round' })).toMatchObject({
      ok: true,
    });
    const next = seededSigner('next/federated');
    const key = ed25519Key(next.publicKey);
    world.delegations = world.delegations.map((grant) => ({ ...grant, keys: [key] }));
    expect(await world.publish(repository)).toBe('ok');
    expect(await repository.renew()).toBe(false);
    const { store, blobs, clock, firstRoot } = world;
    const keys: KeyStore = {
      signer: (role) => (role === 'federated' ? next : world.keys.signer(role)),
    };
    repository = await ImageRepository.open({ store, blobs, keys, clock }, { firstRoot });
    expect(await repository.renew()).toBe(true);
    const version = Math.floor(clock.ms / 1000);
    const renewed = await repository.readMetadata(`${version}.federated-plant.json`);
    expect(textOf(renewed ?? bytes)).toContain(key.keyId);
    expect(await repository.renew()).toBe(false);
  });

  test('when a candidate has no federable parent, the server does not publish it', async () => {
    delegate();
    await publishBundle();
    const candidate = candidateOf({ fill: 3 });
    await world.upload(repository, candidate);
    const published = await repository.publishCandidate({
      fleet: plant,
      digest: candidate.digest,
      actor: 'round',
      custom: {
        name: 'adder' as never,
        version: '1.0.1',
        releaseCounter: 1,
        fleets: [plant],
        classMatch: {},
        status: 'live',
      },
    });
    expect(published).toMatchObject({ error: { code: 'candidate-differs' } });
    const path = 'federated/plant/adder@1.0.1' as TargetPath;
    expect(await world.store.read((view) => view.bundles.get(plant, path))).toBeNull();
  });
});
