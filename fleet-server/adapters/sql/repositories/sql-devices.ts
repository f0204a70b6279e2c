import { type SelectQueryBuilder, sql } from 'kysely';
import { limits } from '../../../../shared/contracts/limits.ts';
import type { DeviceId, FleetId } from '../../../../shared/core/ids.ts';
import type { Device, DevicePatch } from '../../../core/model/device.ts';
import type {
  DeviceQuery,
  DeviceRepository,
  MemberCount,
  MemberQuery,
} from '../../../ports/repositories/device-repository.ts';
import { filterCondition } from '../filter-condition.ts';
import { element, listed, pageLimit } from '../json-rows.ts';
import { RowShape } from '../row-shape.ts';
import type { Queries, StoreSchema } from '../schema.ts';

const shape = new RowShape<Device, 'tags' | 'facts', 'online' | 'needsReport'>({
  json: ['tags', 'facts'],
  flags: ['online', 'needsReport'],
});

export function sqlDevices(queries: Queries): DeviceRepository {
  return {
    get: async (fleet, device) =>
      shape.toNounOrNull(
        await queries
          .selectFrom('devices')
          .selectAll()
          .where('fleet', '=', fleet)
          .where('device', '=', device)
          .executeTakeFirst(),
      ),

    listByIds: async (fleet, devices) =>
      shape.toNouns(
        await queries
          .selectFrom('devices')
          .selectAll()
          .where('fleet', '=', fleet)
          .where('device', 'in', listed(devices))
          .orderBy('device')
          .execute(),
      ),

    list: async (fleet, query, { after, limit }) => {
      let rows = meant(queries, fleet, query).selectAll().orderBy('device');
      if (after !== undefined) rows = rows.where('device', '>', after);
      return shape.toNouns(await rows.limit(pageLimit(limit)).execute());
    },

    listCells: async (fleet, cells, { page: { after, limit }, ...query }) => {
      let rows = meant(queries, fleet, query).selectAll().where('cell', 'in', listed(cells));
      if (after !== undefined) rows = rows.where('device', '>', after);
      return shape.toNouns(await rows.orderBy('device').limit(pageLimit(limit)).execute());
    },

    count: async (fleet, query) => {
      const row = await meant(queries, fleet, query)
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      return row.count;
    },

    countByCell: (fleet, query) =>
      meant(queries, fleet, query)
        .select(['cell', sql<number>`count(*)`.as('count')])
        .groupBy('cell')
        .orderBy('cell')
        .execute(),

    countMembers: (fleet, query) => countMembers(queries, fleet, query),

    countByState: async (fleet) => {
      const rows = await queries
        .selectFrom('devices')
        .where('fleet', '=', fleet)
        .select(['state', 'online', sql<number>`count(*)`.as('count')])
        .groupBy(['state', 'online'])
        .execute();
      return rows.map((row) => ({ ...row, online: row.online === 1 }));
    },

    insert: async (device) => {
      await queries.insertInto('devices').values(shape.toRow(device)).execute();
    },
    update: (fleet, device, patch) => update(queries, { fleet, device, patch }),
    ...orders(queries),
    ...reports(queries),
  };
}

function orders(queries: Queries): Pick<DeviceRepository, 'issue' | 'requireReports'> {
  return {
    issue: async (fleet, issued) => {
      if (issued.length === 0) return;
      const rows = issued.map(({ device, issuedGeneration, issuedDirectorVersion }) => [
        device,
        issuedGeneration,
        issuedDirectorVersion ?? null,
      ]);
      // Materialized, or SQLite reads the whole list again for every device of the fleet.
      await sql`with issued (id, generation, version) as materialized (
          select ${sql.join([0, 1, 2].map(element))} from json_each(${JSON.stringify(rows)})
        )
        update ${sql.table('devices')} set issuedGeneration = generation,
          issuedDirectorVersion = coalesce(version, issuedDirectorVersion)
        from issued where fleet = ${fleet} and device = id`.execute(queries);
    },

    requireReports: async (fleet) => {
      const result = await queries
        .updateTable('devices')
        .set({ needsReport: 1 })
        .where('fleet', '=', fleet)
        .executeTakeFirst();
      return Number(result.numUpdatedRows);
    },
  };
}

type Reports = Pick<DeviceRepository, 'reportedEnvelope' | 'putReportedEnvelope'>;

function reports(queries: Queries): Reports {
  return {
    reportedEnvelope: async (fleet, device) =>
      (await queries
        .selectFrom('reportedEnvelopes')
        .selectAll()
        .where('fleet', '=', fleet)
        .where('device', '=', device)
        .executeTakeFirst()) ?? null,

    putReportedEnvelope: async (envelope) => {
      await queries
        .insertInto('reportedEnvelopes')
        .values(envelope)
        .onConflict((conflict) => {
          const { epoch, number, receivedAtMs, envelope: bytes } = envelope;
          return conflict
            .columns(['fleet', 'device'])
            .doUpdateSet({ epoch, number, receivedAtMs, envelope: bytes });
        })
        .execute();
    },
  };
}

async function countMembers(
  queries: Queries,
  fleet: FleetId,
  { app, stratifyBy, ...query }: MemberQuery,
): Promise<readonly MemberCount[]> {
  const values = stratifyBy.map((path) => {
    const map = path.startsWith('tags.') ? 'tags' : 'facts';
    // The arrow keeps the JSON type of a value, so that 1, "1" and true stay three strata.
    return sql`json(devices.${sql.ref(map)} -> ${`$."${path.slice(path.indexOf('.') + 1)}"`})`;
  });
  const veterans = queries
    .selectFrom('deviceApps')
    .select('device')
    .where('fleet', '=', fleet)
    .where('app', '=', app)
    .where('firstCommittedAtMs', '<', query.nowMs);
  const rows = await meant(queries, fleet, query)
    .where('state', '=', 'accepted')
    .select([
      'cell',
      sql<number>`device in ${veterans}`.as('isVeteran'),
      sql<string>`json_array(${sql.join(values)})`.as('stratum'),
      sql<number>`count(*)`.as('devices'),
    ])
    .groupBy(['cell', 'isVeteran', 'stratum'])
    .limit(limits.memberGroupsMax)
    .execute();
  return rows.map((row) => ({ ...row, isVeteran: row.isVeteran === 1 }));
}

function meant(
  queries: Queries,
  fleet: FleetId,
  { where, nowMs }: DeviceQuery,
): SelectQueryBuilder<StoreSchema, 'devices', object> {
  const ofFleet = queries.selectFrom('devices').where('fleet', '=', fleet);
  return where === undefined ? ofFleet : ofFleet.where(filterCondition(where, nowMs));
}

async function update(
  queries: Queries,
  change: { fleet: FleetId; device: DeviceId; patch: DevicePatch },
): Promise<boolean> {
  const result = await queries
    .updateTable('devices')
    .set({ device: change.device, ...shape.toPatch(change.patch) })
    .where('fleet', '=', change.fleet)
    .where('device', '=', change.device)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
