import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FolderBlobStore } from '../../fleet-server/adapters/blobs/folder-blob-store.ts';
import { NodeDisk } from '../../shared/adapters/disk/node-disk.ts';
import { cryptoRandom } from '../../shared/adapters/random/crypto-random.ts';
import { streamOf } from '../../shared/core/byte-stream.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { createPrng } from '../../shared/core/prng.ts';
import { digestOf } from '../../shared/trust/hash.ts';
import { MemoryBlobStore } from '../../sim/world/memory-blob-store.ts';
import { MemoryDisk } from '../../sim/world/memory-disk.ts';
import { SimRandom } from '../../sim/world/sim-random.ts';
import { type BlobStoreUnderTest, blobStoreSuite } from './blob-store.suite.ts';

async function folder(): Promise<BlobStoreUnderTest> {
  const root = await mkdtemp(join(tmpdir(), 'skein-blobs-'));
  const open = async (): Promise<BlobStoreUnderTest> => {
    const disk = new NodeDisk({ root, onFsyncFailure: () => process.abort() });
    return {
      store: await FolderBlobStore.open(disk, cryptoRandom),
      reopen: open,
      dispose: () => rm(root, { recursive: true, force: true }),
    };
  };
  return open();
}

function memory(store = new MemoryBlobStore()): BlobStoreUnderTest {
  return { store, reopen: async () => memory(store), dispose: async () => undefined };
}

blobStoreSuite('a folder', folder);
blobStoreSuite('in memory', async () => memory());

test('when the power goes at any step of a put, the blob is whole or not there', async () => {
  const bytes = utf8('what must not be torn');
  const digest = digestOf(bytes);
  let wasThere = 0;
  for (let step = 1; ; step += 1) {
    const disk = new MemoryDisk();
    const store = await FolderBlobStore.open(disk, new SimRandom('blobs'));
    disk.faults.powerCutAtStep = disk.steps + step;
    const put = await store.put(digest, streamOf(bytes), { bytesMax: 100 }).catch(() => undefined);
    disk.powerCut(createPrng(`blobs-${step}`));
    const again = await FolderBlobStore.open(disk, new SimRandom('again'));
    const size = await again.size(digest);
    expect([undefined, bytes.length]).toContain(size);
    expect(disk.paths().filter((path) => path.startsWith('incoming/'))).toEqual([]);
    if (size !== undefined) wasThere += 1;
    if (put?.ok === true) {
      expect(size).toBe(bytes.length);
      break;
    }
  }
  expect(wasThere).toBeGreaterThan(0);
});

test('when a sender was cut off with the process, the next start removes what it left', async () => {
  const root = await mkdtemp(join(tmpdir(), 'skein-blobs-'));
  try {
    const disk = new NodeDisk({ root, onFsyncFailure: () => process.abort() });
    await disk.append('incoming/left', utf8('half'), { durable: true });
    await FolderBlobStore.open(disk, cryptoRandom);
    expect(await readdir(root)).toEqual([]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
