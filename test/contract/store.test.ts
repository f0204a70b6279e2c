import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFileStore, openMemoryStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import { type StoreUnderTest, storeSuite } from './store.suite.ts';
import { storeAccessSuite } from './store-access.suite.ts';
import { storeDeviceSuite } from './store-device.suite.ts';
import { storeRegistrySuite } from './store-registry.suite.ts';
import { storeRolloutSuite } from './store-rollout.suite.ts';
import { storeTelemetrySuite } from './store-telemetry.suite.ts';

async function memory(image: Uint8Array | null = null): Promise<StoreUnderTest> {
  const { store, crash } = openMemoryStore(image);
  return { store, reopen: () => memory(crash()), dispose: () => store.close() };
}

async function file(): Promise<StoreUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'skein-store-'));
  const dispose = async (store: StoreUnderTest['store']): Promise<void> => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  };
  const open = async (): Promise<StoreUnderTest> => {
    const store = await openFileStore(join(folder, 'skein.db'));
    return {
      store,
      reopen: async () => {
        await store.close();
        return open();
      },
      dispose: () => dispose(store),
    };
  };
  return open();
}

const adapters = [
  ['in memory on this thread', () => memory()],
  ['a file behind a worker', file],
] as const;

for (const [name, open] of adapters) {
  storeSuite(name, open);
  storeDeviceSuite(name, open);
  storeAccessSuite(name, open);
  storeRolloutSuite(name, open);
  storeTelemetrySuite(name, open);
  storeRegistrySuite(name, open);
}
