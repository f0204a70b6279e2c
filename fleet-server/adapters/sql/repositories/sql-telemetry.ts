import { sql } from 'kysely';
import { concatBytes } from '../../../../shared/core/bytes.ts';
import type { CohortDevice, CohortRecord, WindowMark } from '../../../core/model/telemetry.ts';
import type {
  CohortTotalsRepository,
  WindowRepository,
} from '../../../ports/repositories/telemetry-repositories.ts';
import { listed, upsertRows } from '../json-rows.ts';
import { RowShape } from '../row-shape.ts';
import type { Queries } from '../schema.ts';

const markShape = new RowShape<WindowMark, 'ahead'>({ json: ['ahead'] });
const totalsShape = new RowShape<CohortRecord, 'totals'>({ json: ['totals'] });
const windowFields = ['id', 'device', 'outbox', 'first', 'last', 'receivedAtMs', 'sealed'] as const;

export function sqlWindows(queries: Queries): WindowRepository {
  return {
    marks: async (fleet, outboxes) => {
      const rows = await queries
        .selectFrom('windowMarks')
        .select(['device', 'outbox', 'durable', 'ahead', 'latest'])
        .where('fleet', '=', fleet)
        .where('device', 'in', listed(outboxes.map(({ device }) => device)))
        .orderBy('device')
        .orderBy('outbox')
        .execute();
      // A device has an outbox or two: two lists in the query would make SQLite try every pair of them.
      const wanted = new Set(outboxes.map(({ device, outbox }) => `${device} ${outbox}`));
      return markShape.toNouns(rows.filter((row) => wanted.has(`${row.device} ${row.outbox}`)));
    },

    latestOf: (fleet, device) =>
      queries
        .selectFrom('windows')
        .select(windowFields)
        .where('fleet', '=', fleet)
        // A window that has gone leaves its id in the mark.
        .where('device', '=', device)
        .where('id', 'in', (eb) =>
          eb
            .selectFrom('windowMarks')
            .select('latest')
            .where('fleet', '=', fleet)
            .where('device', '=', device),
        )
        .orderBy('id', 'desc')
        .execute(),

    latestId: async () => {
      const row = await queries
        .selectFrom('windows')
        .select(sql<number>`coalesce(max(id), 0)`.as('id'))
        .executeTakeFirstOrThrow();
      return row.id;
    },

    insertMany: (fleet, windows) => insertWindows(queries, fleet, windows),
    ...markWrites(queries),

    removeOlder: async (fleet, beforeMs, limit) => {
      const result = await queries
        .deleteFrom('windows')
        .where('id', 'in', (eb) =>
          eb
            .selectFrom('windows')
            .select('id')
            .where('fleet', '=', fleet)
            .where('receivedAtMs', '<', beforeMs)
            // The ids go on from the newest: without it a mark's id would come to name another device's window.
            .where('id', '<', (newest) =>
              newest.selectFrom('windows').select((all) => all.fn.max('id').as('id')),
            )
            .orderBy('receivedAtMs')
            .orderBy('id')
            .limit(limit),
        )
        .executeTakeFirst();
      return Number(result.numDeletedRows);
    },
  };
}

/** The sealed bytes travel as one byte string beside the keys: JSON would have to quote them twice. */
const insertWindows = async (
  queries: Queries,
  ...[fleet, windows]: Parameters<WindowRepository['insertMany']>
): Promise<void> => {
  if (windows.length === 0) return;
  let offset = 1;
  const keys = windows.map(({ id, device, outbox, first, last, receivedAtMs, sealed }) => {
    const from = offset;
    offset += sealed.length;
    return [id, device, outbox, first, last, receivedAtMs, from, sealed.length];
  });
  const bytes = concatBytes(windows.map(({ sealed }) => sealed));
  const at = (index: number) => sql`json_extract(entry.value, ${sql.lit(`$[${index}]`)})`;
  await sql`insert into windows (fleet, ${sql.join(windowFields.map((name) => sql.ref(name)))})
    select ${fleet}, ${sql.join([0, 1, 2, 3, 4, 5].map(at))},
      substr(body.bytes, ${at(6)}, ${at(7)})
    from (select ${bytes} as bytes) as body, json_each(${JSON.stringify(keys)}) as entry
    order by ${at(0)}`.execute(queries);
};

function markWrites(queries: Queries): Pick<WindowRepository, 'putMarks' | 'removeMark'> {
  return {
    putMarks: (fleet, marks) =>
      upsertRows(queries, 'windowMarks', {
        key: ['fleet', 'device', 'outbox'],
        rows: marks.map((mark) => ({ ...markShape.toRow(mark), fleet })),
      }),

    removeMark: async (fleet, device, outbox) => {
      const result = await queries
        .deleteFrom('windowMarks')
        .where('fleet', '=', fleet)
        .where('device', '=', device)
        .where('outbox', '=', outbox)
        .executeTakeFirst();
      return result.numDeletedRows > 0n;
    },
  };
}

export function sqlCohortTotals(queries: Queries): CohortTotalsRepository {
  const all = queries.selectFrom('cohortTotals').selectAll();
  return {
    find: async (fleet, keys) => {
      const rows = await all
        .where('fleet', '=', fleet)
        .where('rollout', 'in', listed(keys.map(({ rollout }) => rollout)))
        .orderBy('rollout')
        .orderBy('arm')
        .orderBy('wave')
        .execute();
      const wanted = new Set(keys.map(({ rollout, arm, wave }) => `${rollout} ${arm} ${wave}`));
      return totalsShape.toNouns(
        rows.filter(({ rollout, arm, wave }) => wanted.has(`${rollout} ${arm} ${wave}`)),
      );
    },

    listOf: async (fleet, rollout) =>
      totalsShape.toNouns(
        await all
          .where('fleet', '=', fleet)
          .where('rollout', '=', rollout)
          .orderBy('arm')
          .orderBy('wave')
          .execute(),
      ),

    addDevices: async (fleet, devices) => {
      const wanted = new Map(devices.map((entry) => [cohortDeviceName(entry), entry]));
      const names = [...wanted.keys()].sort();
      const tuples = names.flatMap((name) => {
        const entry = wanted.get(name);
        return entry === undefined ? [] : [[entry.rollout, entry.arm, entry.device]];
      });
      const at = (index: number) => sql`json_extract(value, ${sql.lit(`$[${index}]`)})`;
      const { rows } = await sql<Omit<CohortDevice, 'wave'>>`
        insert into ${sql.table('cohortDevices')} (fleet, rollout, arm, device)
        select ${fleet}, ${sql.join([0, 1, 2].map(at))}
        from json_each(${JSON.stringify(tuples)}) where true
        on conflict (fleet, rollout, arm, device) do nothing
        returning rollout, arm, device`.execute(queries);
      const added = rows.map(cohortDeviceName).sort();
      return added.flatMap((name) => wanted.get(name) ?? []);
    },

    put: async (fleet, records) => {
      const rows = records.map(({ rollout, arm, wave, totals }) => [
        rollout,
        arm,
        wave,
        JSON.stringify(totals),
      ]);
      const at = (index: number) => sql`json_extract(value, ${sql.lit(`$[${index}]`)})`;
      await sql`insert into ${sql.table('cohortTotals')} (fleet, rollout, arm, wave, totals)
        select ${fleet}, ${sql.join([0, 1, 2, 3].map(at))}
        from json_each(${JSON.stringify(rows)}) where true
        on conflict (fleet, rollout, arm, wave) do update set totals = excluded.totals`.execute(
        queries,
      );
    },
  };
}

const cohortDeviceName = ({ rollout, arm, device }: Omit<CohortDevice, 'wave'>): string =>
  `${rollout} ${arm} ${device}`;
