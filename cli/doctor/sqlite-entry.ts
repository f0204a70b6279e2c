import { openMemoryStore } from '../../fleet-server/adapters/sql/sql-store.ts';

/** A child of `skein doctor`: a native library that crashes takes only this process with it. */
const { store } = openMemoryStore();
const fleets = await store.read((view) => view.fleets.list());
await store.close();
process.stdout.write(JSON.stringify({ fleets: fleets.length }));
