import { type SelectQueryBuilder, sql } from 'kysely';
import type { FleetId } from '../../../../shared/core/ids.ts';
import { openStatuses, type Rollout, type RolloutEvent } from '../../../core/model/rollout.ts';
import type { Page } from '../../../ports/repositories/page.ts';
import type {
  RolloutQuery,
  RolloutRepository,
} from '../../../ports/repositories/rollout-repository.ts';
import { listed, pageLimit } from '../json-rows.ts';
import { RowShape } from '../row-shape.ts';
import type { Queries, StoreSchema } from '../schema.ts';

type RolloutPage = Page<Pick<Rollout, 'createdAtMs' | 'rollout'>>;

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

    list: async (fleet, query, page) =>
      shape.toNouns(await meant(queries, { fleet, query, page }).selectAll().execute()),

    listVersions: (fleet, query, page) =>
      meant(queries, { fleet, query, page }).select(['rollout', 'app', 'version']).execute(),

    countByStatus: (fleet) =>
      queries
        .selectFrom('rollouts')
        .where('fleet', '=', fleet)
        .select(['status', sql<number>`count(*)`.as('count')])
        .groupBy('status')
        .execute(),

    listStopped: async (fleet, digests) => {
      const rows = await queries
        .selectFrom('rollouts')
        .select('digest')
        .distinct()
        .where('fleet', '=', fleet)
        .where('status', 'in', listed(stoppedStatuses))
        .where('digest', 'in', listed(digests))
        .orderBy('digest')
        .execute();
      return rows.map(({ digest }) => digest);
    },

    listApps: async (fleet) => {
      const rows = await queries
        .selectFrom('rollouts')
        .select('app')
        .distinct()
        .where('fleet', '=', fleet)
        .where('status', 'in', listed(givingStatuses))
        .orderBy('app')
        .execute();
      return rows.map(({ app }) => app);
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
    ...regressions(queries),
  };
}

const givingStatuses = [...openStatuses, 'completed'] as const;
const stoppedStatuses = ['aborting', 'aborted'] as const;

/** Newest first. */
function meant(
  queries: Queries,
  { fleet, query, page }: { fleet: FleetId; query: RolloutQuery; page: RolloutPage },
): SelectQueryBuilder<StoreSchema, 'rollouts', object> {
  const { statuses, app, digest } = query;
  const { after, limit } = page;
  let rows = queries.selectFrom('rollouts').where('fleet', '=', fleet);
  if (statuses !== undefined) rows = rows.where('status', 'in', listed(statuses));
  if (app !== undefined) rows = rows.where('app', '=', app);
  if (digest !== undefined) rows = rows.where('digest', '=', digest);
  if (after !== undefined) {
    rows = rows.where((eb) =>
      eb(eb.refTuple('createdAtMs', 'rollout'), '<', eb.tuple(after.createdAtMs, after.rollout)),
    );
  }
  return rows.orderBy('createdAtMs', 'desc').orderBy('rollout', 'desc').limit(pageLimit(limit));
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

function regressions(
  queries: Queries,
): Pick<RolloutRepository, 'listRegressions' | 'addRegression'> {
  return {
    listRegressions: async (fleet, digests) => {
      const rows = await queries
        .selectFrom('regressions')
        .selectAll()
        .where('fleet', '=', fleet)
        .where('digest', 'in', listed(digests))
        .orderBy('digest')
        .orderBy('rollout')
        .execute();
      return rows.map(({ fleet: _fleet, ...regression }) => regression);
    },

    addRegression: async (fleet, { digest, rollout, device, code, atMs }) => {
      const newest = { lastAtMs: atMs, lastDevice: device, lastCode: code };
      await queries
        .insertInto('regressions')
        .values({ fleet, digest, rollout, count: 1, firstAtMs: atMs, ...newest })
        .onConflict((conflict) =>
          conflict
            .columns(['fleet', 'digest', 'rollout'])
            .doUpdateSet((eb) => ({ ...newest, count: eb('regressions.count', '+', 1) })),
        )
        .execute();
    },
  };
}
