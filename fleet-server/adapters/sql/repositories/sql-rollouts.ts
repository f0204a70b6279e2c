import { sql } from 'kysely';
import type { Rollout, RolloutEvent } from '../../../core/model/rollout.ts';
import type { RolloutRepository } from '../../../ports/repositories/rollout-repository.ts';
import { listed, pageLimit } from '../json-rows.ts';
import { RowShape } from '../row-shape.ts';
import type { Queries } from '../schema.ts';

const shape = new RowShape<Rollout, 'spec' | 'reducerState'>({ json: ['spec', 'reducerState'] });
const eventShape = new RowShape<RolloutEvent, 'numbers'>({ json: ['numbers'] });

export function sqlRollouts(queries: Queries): RolloutRepository {
  return {
    get: async (fleet, rollout) =>
      shape.toNounOrNull(
        await queries
          .selectFrom('rollouts')
          .selectAll()
          .where('fleet', '=', fleet)
          .where('rollout', '=', rollout)
          .executeTakeFirst(),
      ),

    list: async (fleet, { statuses, app, digest }, { after, limit }) => {
      let rows = queries.selectFrom('rollouts').selectAll().where('fleet', '=', fleet);
      if (statuses !== undefined) rows = rows.where('status', 'in', listed(statuses));
      if (app !== undefined) rows = rows.where('app', '=', app);
      if (digest !== undefined) rows = rows.where('digest', '=', digest);
      if (after !== undefined) {
        rows = rows.where((eb) =>
          eb(
            eb.refTuple('createdAtMs', 'rollout'),
            '<',
            eb.tuple(after.createdAtMs, after.rollout),
          ),
        );
      }
      const ordered = rows.orderBy('createdAtMs', 'desc').orderBy('rollout', 'desc');
      return shape.toNouns(await ordered.limit(pageLimit(limit)).execute());
    },

    highestOrder: async (fleet) => {
      const row = await queries
        .selectFrom('rollouts')
        .where('fleet', '=', fleet)
        .select(sql<number>`coalesce(max(json_extract(reducerState, '$.order')), 0)`.as('order'))
        .executeTakeFirstOrThrow();
      return row.order;
    },

    insert: async (rollout) => {
      await queries.insertInto('rollouts').values(shape.toRow(rollout)).execute();
    },

    update: async (fleet, rollout, { expectedVersion, patch, nowMs }) => {
      const result = await queries
        .updateTable('rollouts')
        .set({ ...shape.toPatch(patch), version: expectedVersion + 1, updatedAtMs: nowMs })
        .where('fleet', '=', fleet)
        .where('rollout', '=', rollout)
        .where('version', '=', expectedVersion)
        .executeTakeFirst();
      return result.numUpdatedRows > 0n;
    },

    ...rolloutEvents(queries),
  };
}

function rolloutEvents(queries: Queries): Pick<RolloutRepository, 'appendEvent' | 'listEvents'> {
  return {
    listEvents: async (fleet, rollout, { after, limit }) =>
      eventShape.toNouns(
        await queries
          .selectFrom('rolloutEvents')
          .selectAll()
          .where('fleet', '=', fleet)
          .where('rollout', '=', rollout)
          .where('number', '>', after ?? 0)
          .orderBy('number')
          .limit(pageLimit(limit))
          .execute(),
      ),

    appendEvent: async (fleet, rollout, draft) => {
      const last = await queries
        .selectFrom('rolloutEvents')
        .where('fleet', '=', fleet)
        .where('rollout', '=', rollout)
        .select(sql<number>`coalesce(max(number), 0)`.as('number'))
        .executeTakeFirstOrThrow();
      const event = { fleet, rollout, number: last.number + 1, ...draft };
      await queries.insertInto('rolloutEvents').values(eventShape.toRow(event)).execute();
      return event;
    },
  };
}
