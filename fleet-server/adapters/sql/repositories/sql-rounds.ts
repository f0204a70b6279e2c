import { sql } from 'kysely';
import type { Round } from '../../../core/model/round.ts';
import type { RoundRepository } from '../../../ports/repositories/round-repository.ts';
import { listed, pageLimit } from '../json-rows.ts';
import { RowShape } from '../row-shape.ts';
import type { Queries } from '../schema.ts';

const shape = new RowShape<Round, 'reducerState'>({ json: ['reducerState'] });

export function sqlRounds(queries: Queries): RoundRepository {
  return {
    get: async (fleet, round) =>
      shape.toNounOrNull(
        await queries
          .selectFrom('rounds')
          .selectAll()
          .where('fleet', '=', fleet)
          .where('round', '=', round)
          .executeTakeFirst(),
      ),

    list: async (fleet, { after, limit }) => {
      let rows = queries.selectFrom('rounds').selectAll().where('fleet', '=', fleet);
      if (after !== undefined) {
        rows = rows.where((eb) =>
          eb(eb.refTuple('createdAtMs', 'round'), '<', eb.tuple(after.createdAtMs, after.round)),
        );
      }
      const ordered = rows.orderBy('createdAtMs', 'desc').orderBy('round', 'desc');
      return shape.toNouns(await ordered.limit(pageLimit(limit)).execute());
    },

    listIn: async (fleet, statuses, limit) => {
      const rows = queries
        .selectFrom('rounds')
        .selectAll()
        .where('fleet', '=', fleet)
        .where('status', 'in', listed(statuses));
      const ordered = rows.orderBy('createdAtMs', 'desc').orderBy('round', 'desc');
      return shape.toNouns(await ordered.limit(pageLimit(limit)).execute());
    },

    countByStatus: (fleet) =>
      queries
        .selectFrom('rounds')
        .where('fleet', '=', fleet)
        .select(['status', sql<number>`count(*)`.as('count')])
        .groupBy('status')
        .execute(),

    insert: async (round) => {
      await queries.insertInto('rounds').values(shape.toRow(round)).execute();
    },

    update: async (fleet, round, { expectedVersion, patch, nowMs }) => {
      const result = await queries
        .updateTable('rounds')
        .set({ ...shape.toPatch(patch), version: expectedVersion + 1, updatedAtMs: nowMs })
        .where('fleet', '=', fleet)
        .where('round', '=', round)
        .where('version', '=', expectedVersion)
        .executeTakeFirst();
      return result.numUpdatedRows > 0n;
    },

    ...contributions(queries),
  };
}

type Contributions = Pick<
  RoundRepository,
  'getContribution' | 'listContributions' | 'insertContribution'
>;

function contributions(queries: Queries): Contributions {
  return {
    getContribution: async (fleet, round, device) =>
      (await queries
        .selectFrom('contributions')
        .selectAll()
        .where('fleet', '=', fleet)
        .where('round', '=', round)
        .where('device', '=', device)
        .executeTakeFirst()) ?? null,

    listContributions: (fleet, round, { after, limit }) => {
      let rows = queries
        .selectFrom('contributions')
        .selectAll()
        .where('fleet', '=', fleet)
        .where('round', '=', round);
      if (after !== undefined) rows = rows.where('device', '>', after);
      return rows.orderBy('device').limit(pageLimit(limit)).execute();
    },

    insertContribution: async (contribution) => {
      const result = await queries
        .insertInto('contributions')
        .values(contribution)
        .onConflict((conflict) => conflict.columns(['fleet', 'round', 'device']).doNothing())
        .executeTakeFirst();
      return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
    },
  };
}
