import { beforeEach, expect, test } from 'vitest';
import type { ImageRepository } from '../../../fleet-server/runner/image-repository.ts';
import { UploadShelf } from '../../../fleet-server/runner/repository/upload-shelf.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { streamOf } from '../../../shared/core/byte-stream.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { RepositoryWorld } from '../../support/repository-world.ts';
import { sampleBundle } from '../../support/sample-bundle.ts';

const bundle = sampleBundle({ version: '1.0.0' });
const loose = utf8('uploaded, and never named');
const digest = digestOf(loose);
const weekMs = limits.uploadKeptMs;

let world: RepositoryWorld;
let repository: ImageRepository;
beforeEach(async () => {
  ({ world, repository } = await RepositoryWorld.open());
});

const isKnown = () => world.store.read(async (view) => (await view.blobs.get(digest)) !== null);

test('when a week has passed, an upload that nothing names is gone and bundles are whole', async () => {
  await world.upload(repository, bundle);
  world.name(bundle);
  expect(await world.publish(repository)).toBe('ok');
  await repository.putBlob(digest, streamOf(loose));
  world.clock.ms += weekMs;
  expect(await repository.collectGarbage()).toBe(0);
  world.clock.ms += 1;
  // The fixed targets are served from the store by now, so their uploads go too.
  expect(await repository.collectGarbage()).toBe(3);
  expect(await world.blobs.size(digest)).toBeUndefined();
  expect(await isKnown()).toBe(false);
  for (const held of [bundle.digest, ...bundle.blobs.keys()]) {
    expect(await world.blobs.size(held), held).toBeDefined();
  }
  expect(await repository.readMetadata('1.targets.json')).toBeDefined();
  world.revoked = [{ digest: bundle.digest, reason: 'bad-model', then: 'stop' }];
  world.name(bundle, { status: 'retired' });
  expect(await world.publish(repository)).toBe('ok');
});

test('when a blob is uploaded again, its week begins anew', async () => {
  await repository.putBlob(digest, streamOf(loose));
  world.clock.ms += weekMs;
  await repository.putBlob(digest, streamOf(loose));
  world.clock.ms += weekMs;
  expect(await repository.collectGarbage()).toBe(0);
  expect(await world.blobs.size(digest)).toBe(loose.length);
});

test('when an old blob is arriving again, it stays', async () => {
  await repository.putBlob(digest, streamOf(loose));
  world.clock.ms += weekMs + 1;
  let arrive: () => void = () => undefined;
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  async function* slow(): AsyncIterable<Uint8Array> {
    await arrived;
    yield loose;
  }
  const arriving = repository.putBlob(digest, slow());
  // The upload has passed the gate before the collector looks.
  await Promise.resolve();
  expect(await repository.collectGarbage()).toBe(0);
  arrive();
  expect(await arriving).toMatchObject({ ok: true });
  expect(await world.blobs.size(digest)).toBe(loose.length);
  expect(await isKnown()).toBe(true);
});

test('when an open round holds an upload, it stays until the round lets go', async () => {
  await repository.putBlob(digest, streamOf(loose));
  await world.store.transaction((tx) => tx.blobs.hold('round:1', [digest]));
  world.clock.ms += weekMs + 1;
  expect(await repository.collectGarbage()).toBe(0);
  await world.store.transaction((tx) => tx.blobs.release('round:1'));
  expect(await repository.collectGarbage()).toBe(1);
});

test('when the power goes between blob and record, the next look ends what was begun', async () => {
  await repository.putBlob(digest, streamOf(loose));
  world.clock.ms += weekMs + 1;
  const { clock, blobs, store } = world;
  const cut = new UploadShelf({
    ...{ clock, blobs },
    store: {
      read: (work) => store.read(work),
      transaction: () => Promise.reject(new OperatingError('store-failed', 'the power went')),
      close: () => store.close(),
    },
  });
  await expect(cut.collect()).rejects.toMatchObject({ code: 'store-failed' });
  expect(await blobs.size(digest)).toBeUndefined();
  expect(await isKnown()).toBe(true);
  expect(await repository.collectGarbage()).toBe(1);
  expect(await isKnown()).toBe(false);
});

test('when there is more than one batch, each look takes one', async () => {
  const many = limits.uploadsCollectedMax + 3;
  for (let i = 0; i < many; i += 1) {
    const bytes = utf8(`upload ${i}`);
    await repository.putBlob(digestOf(bytes), streamOf(bytes));
  }
  world.clock.ms += weekMs + 1;
  expect(await repository.collectGarbage()).toBe(limits.uploadsCollectedMax);
  expect(await repository.collectGarbage()).toBe(3);
});

test('when a round takes hold of a blob while an earlier one goes, it stays', async () => {
  const others = ['first', 'second'].map(utf8);
  for (const bytes of others) await repository.putBlob(digestOf(bytes), streamOf(bytes));
  world.clock.ms += weekMs + 1;
  const { clock, blobs, store } = world;
  const [early, late] = others.map(digestOf).sort();
  if (early === undefined || late === undefined) throw new Error('two blobs');
  const shelf = new UploadShelf({
    ...{ clock, store },
    blobs: {
      size: (named) => blobs.size(named),
      read: (named, range) => blobs.read(named, range),
      put: (named, body, options) => blobs.put(named, body, options),
      remove: async (named) => {
        if (named === early) await store.transaction((tx) => tx.blobs.hold('round:1', [late]));
        return blobs.remove(named);
      },
    },
  });
  expect(await shelf.collect()).toBe(1);
  expect(await blobs.size(late)).toBeDefined();
});

test('when the process ends between a blob and what is written about it, the blob is found and goes', async () => {
  const { clock, blobs, store } = world;
  let writes = 0;
  const cut = new UploadShelf({
    ...{ clock, blobs },
    store: {
      read: (work) => store.read(work),
      transaction: (work) => {
        writes += 1;
        if (writes > 1) throw new OperatingError('store-failed', 'the power went');
        return store.transaction(work);
      },
      close: () => store.close(),
    },
  });
  await expect(cut.put(digest, streamOf(loose))).rejects.toMatchObject({ code: 'store-failed' });
  expect(await blobs.size(digest)).toBe(loose.length);
  world.clock.ms += weekMs + 1;
  expect(await repository.collectGarbage()).toBe(1);
  expect(await blobs.size(digest)).toBeUndefined();
});

test('when somebody announces a digest without its bytes, it becomes neither a bundle’s nor a record', async () => {
  const terms = { purpose: 'round', bytesMax: 1_000 } as const;
  const purpose = () => world.store.read(async (view) => (await view.blobs.get(digest))?.purpose);
  const guess = () => repository.putBlob(digest, streamOf(utf8('not these bytes')));
  expect(await guess()).toMatchObject({ error: { code: 'upload-digest-mismatch' } });
  expect(await purpose()).toBeUndefined();
  expect(await repository.putBlob(digest, streamOf(loose), terms)).toMatchObject({ ok: true });
  expect(await purpose()).toBe('round');
  expect(await guess()).toMatchObject({ error: { code: 'upload-digest-mismatch' } });
  expect(await purpose()).toBe('round');
  const scope = { fleets: 'all', seesUploads: true } as const;
  expect(await repository.registry.blobSize(scope, digest)).toBeUndefined();
  expect(await repository.putBlob(digest, streamOf(loose))).toMatchObject({ ok: true });
  expect(await purpose()).toBe('bundle');
  const small = { ...terms, bytesMax: 3 };
  expect(await repository.putBlob(digest, streamOf(loose), small)).toMatchObject({
    error: { code: 'too-large' },
  });
});
