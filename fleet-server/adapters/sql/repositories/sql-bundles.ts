import { type Digest, type FleetId } from '../../../../shared/core/ids.ts';
import { type BlobPurpose, type Bundle, everyFleet } from '../../../core/model/bundle.ts';
import type {
  BlobRepository,
  BundleRepository,
  TufFileRepository,
} from '../../../ports/repositories/bundle-repositories.ts';
import { insertRows, pageLimit } from '../json-rows.ts';
import type { Queries, StoreSchema } from '../schema.ts';

/** A fleet's own bundle stands before every fleet's of the same path: `*` sorts below any name. */
const readableBy = (fleet: FleetId): readonly Bundle['fleet'][] => [fleet, everyFleet];

export function sqlBundles(queries: Queries): BundleRepository {
  const withBlobs = (rows: readonly StoreSchema['bundles'][]): Promise<readonly Bundle[]> =>
    Promise.all(rows.map(async (row) => ({ ...row, blobs: await blobsOf(queries, row) })));
  const readable = (fleet: FleetId) =>
    queries.selectFrom('bundles').selectAll().where('fleet', 'in', readableBy(fleet));

  return {
    get: async (fleet, path) => {
      const rows = readable(fleet).where('path', '=', path).orderBy('fleet', 'desc').limit(1);
      return (await withBlobs(await rows.execute()))[0] ?? null;
    },

    find: async (fleet, digest) => {
      const rows = readable(fleet).where('digest', '=', digest);
      const first = rows.orderBy('fleet', 'desc').orderBy('path').limit(1);
      return (await withBlobs(await first.execute()))[0] ?? null;
    },

    list: async (fleet, { name, page: { after, limit } }) => {
      let rows = readable(fleet);
      if (name !== undefined) rows = rows.where('name', '=', name);
      if (after !== undefined) rows = rows.where('path', '>', after);
      const ordered = rows.orderBy('path').orderBy('fleet').limit(pageLimit(limit));
      return withBlobs(await ordered.execute());
    },

    listMinAgents: async (fleet, digests) => {
      if (digests.length === 0) return new Map();
      const rows = await queries
        .selectFrom('bundles')
        .select(['digest', 'minAgent'])
        .where('fleet', 'in', readableBy(fleet))
        .where('digest', 'in', digests)
        .execute();
      return new Map(
        rows.flatMap(({ digest, minAgent }) => (minAgent === null ? [] : [[digest, minAgent]])),
      );
    },

    namesBlob: async (fleet, blob) => {
      const row = await queries
        .selectFrom('bundleBlobs')
        .select('path')
        .where('blob', '=', blob)
        .where('fleet', 'in', readableBy(fleet))
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },

    insert: async ({ blobs, ...row }) => {
      await queries.insertInto('bundles').values(row).execute();
      const { fleet, path } = row;
      await insertRows(
        queries,
        'bundleBlobs',
        [...new Set(blobs)].map((blob) => ({ fleet, path, blob })),
      );
    },

    setStatus: async (fleet, path, status) => {
      const result = await queries
        .updateTable('bundles')
        .set({ status })
        .where('fleet', '=', fleet)
        .where('path', '=', path)
        .executeTakeFirst();
      return result.numUpdatedRows > 0n;
    },
  };
}

async function blobsOf(
  queries: Queries,
  { fleet, path }: Pick<Bundle, 'fleet' | 'path'>,
): Promise<readonly Digest[]> {
  const rows = await queries
    .selectFrom('bundleBlobs')
    .select('blob')
    .where('fleet', '=', fleet)
    .where('path', '=', path)
    .orderBy('blob')
    .execute();
  return rows.map(({ blob }) => blob);
}

export function sqlTufFiles(queries: Queries): TufFileRepository {
  return {
    get: async (name) =>
      (await queries
        .selectFrom('tufFiles')
        .selectAll()
        .where('name', '=', name)
        .executeTakeFirst()) ?? null,

    listNames: async () => {
      const rows = await queries.selectFrom('tufFiles').select('name').orderBy('name').execute();
      return rows.map(({ name }) => name);
    },

    put: async (file) => {
      const { bytes, storedAtMs } = file;
      await queries
        .insertInto('tufFiles')
        .values(file)
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ bytes, storedAtMs }))
        .execute();
    },
  };
}

export function sqlBlobs(queries: Queries): BlobRepository {
  const release: BlobRepository['release'] = async (holder) => {
    await queries.deleteFrom('blobHolds').where('holder', '=', holder).execute();
  };

  return {
    get: async (digest) =>
      (await queries
        .selectFrom('blobs')
        .selectAll()
        .where('digest', '=', digest)
        .executeTakeFirst()) ?? null,

    isHeld: async (digest) => {
      const hold = await queries
        .selectFrom('blobHolds')
        .select('holder')
        .where('digest', '=', digest)
        .limit(1)
        .executeTakeFirst();
      return hold !== undefined;
    },

    listUnheld: async (storedBeforeMs, { after, limit }) => {
      let rows = queries
        .selectFrom('blobs')
        .selectAll()
        .where('storedAtMs', '<', storedBeforeMs)
        .where((eb) =>
          eb.not(
            eb.exists(
              eb
                .selectFrom('blobHolds')
                .select('holder')
                .whereRef('blobHolds.digest', '=', 'blobs.digest'),
            ),
          ),
        );
      if (after !== undefined) rows = rows.where('digest', '>', after);
      return rows.orderBy('digest').limit(pageLimit(limit)).execute();
    },

    put: async (record) => {
      await queries
        .insertInto('blobs')
        .values(record)
        .onConflict((conflict) =>
          conflict.column('digest').doUpdateSet((eb) => ({
            storedAtMs: eb.fn<number>('max', ['blobs.storedAtMs', 'excluded.storedAtMs']),
            // 'bundle' sorts before 'round'.
            purpose: eb.fn<BlobPurpose>('min', ['blobs.purpose', 'excluded.purpose']),
          })),
        )
        .execute();
    },

    remove: async (digest) => {
      const result = await queries
        .deleteFrom('blobs')
        .where('digest', '=', digest)
        .executeTakeFirst();
      return result.numDeletedRows > 0n;
    },

    hold: async (holder, digests) => {
      await release(holder);
      const holds = [...new Set(digests)].map((digest) => ({ holder, digest }));
      await insertRows(queries, 'blobHolds', holds);
    },

    release,
  };
}
