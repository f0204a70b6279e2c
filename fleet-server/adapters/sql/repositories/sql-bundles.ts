import { sql } from 'kysely';
import type { Digest, FleetId, TargetPath } from '../../../../shared/core/ids.ts';
import { type BlobPurpose, type Bundle, everyFleet } from '../../../core/model/bundle.ts';
import type {
  BlobRepository,
  BundleContentReader,
  BundleRepository,
  TufFileRepository,
} from '../../../ports/repositories/bundle-repositories.ts';
import { insertRows, listed, pageLimit } from '../json-rows.ts';
import type { Queries, StoreSchema } from '../schema.ts';

/** A fleet's own bundle stands before every fleet's of the same path: `*` sorts below any name. */
const readableBy = (fleet: FleetId): readonly Bundle['fleet'][] => [fleet, everyFleet];

export function sqlBundles(queries: Queries): BundleRepository {
  const withBlobs = (rows: readonly StoreSchema['bundles'][]) => bundlesOf(queries, rows);
  const readable = (fleet: FleetId) =>
    queries.selectFrom('bundles').selectAll().where('fleet', 'in', readableBy(fleet));

  return {
    ...bundleContents(queries),

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
        .innerJoin('bundles', (join) =>
          join
            .onRef('bundles.fleet', '=', 'bundleBlobs.fleet')
            .onRef('bundles.path', '=', 'bundleBlobs.path'),
        )
        .select('bundles.path')
        .where('blob', '=', blob)
        .where('bundleBlobs.fleet', 'in', readableBy(fleet))
        .where('contentReleasedAtMs', 'is', null)
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

    setStatus: async (fleet, path, { status, nowMs }) => {
      const result = await queries
        .updateTable('bundles')
        .set({ status, statusSinceMs: nowMs })
        .where('fleet', '=', fleet)
        .where('path', '=', path)
        .executeTakeFirst();
      return result.numUpdatedRows > 0n;
    },

    setContentReleased: async (path, contentReleasedAtMs) => {
      const rows = queries.updateTable('bundles').set({ contentReleasedAtMs });
      await rows.where('path', '=', path).execute();
    },
  };
}

function bundleContents(queries: Queries): BundleContentReader {
  return {
    listRows: async (path) => {
      const rows = queries.selectFrom('bundles').selectAll().where('path', '=', path);
      return bundlesOf(queries, await rows.orderBy('fleet').execute());
    },

    listRetired: async (sinceMs, { after, limit }) => {
      let rows = queries.selectFrom('bundles').select('path');
      rows = rows.where('contentReleasedAtMs', 'is', null);
      if (after !== undefined) rows = rows.where('path', '>', after);
      const retired = rows
        .groupBy('path')
        .having(sql`max(${sql.ref('status')} = 'live')`, '=', 0)
        .having((eb) => eb.fn.max('statusSinceMs'), '<=', sinceMs);
      return pathsOf(await retired.orderBy('path').limit(pageLimit(limit)).execute());
    },

    listReleased: async (paths) => {
      const rows = queries.selectFrom('bundles').select('path').distinct();
      const released = rows
        .where('path', 'in', listed(paths))
        .where('contentReleasedAtMs', 'is not', null);
      return pathsOf(await released.orderBy('path').execute());
    },
  };
}

const pathsOf = (rows: readonly { readonly path: TargetPath }[]): readonly TargetPath[] =>
  rows.map(({ path }) => path);

const bundlesOf = (
  queries: Queries,
  rows: readonly StoreSchema['bundles'][],
): Promise<readonly Bundle[]> =>
  Promise.all(rows.map(async (row) => ({ ...row, blobs: await blobsOf(queries, row) })));

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
            sizeBytes: eb.fn<number>('max', ['blobs.sizeBytes', 'excluded.sizeBytes']),
            // 'bundle' sorts before 'round', and both before 'transient'.
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

    holdMore: async (holder, digest) => {
      const holds = queries.insertInto('blobHolds').values({ holder, digest });
      await holds.onConflict((conflict) => conflict.doNothing()).execute();
    },

    release,
  };
}
