import { sql } from 'kysely';
import type { DeviceId, FleetId } from '../../../../shared/core/ids.ts';
import type { AuditRow } from '../../../core/model/audit-row.ts';
import type { WitnessedHead } from '../../../core/model/audit-witness.ts';
import type { FleetEvent } from '../../../core/model/fleet-event.ts';
import type {
  AuditRepository,
  EventRepository,
} from '../../../ports/repositories/event-repositories.ts';
import { pageLimit } from '../json-rows.ts';
import { RowShape } from '../row-shape.ts';
import type { Queries } from '../schema.ts';

const eventShape = new RowShape<FleetEvent, 'content'>({ json: ['content'] });
const auditShape = new RowShape<AuditRow, 'details'>({ json: ['details'] });

export function sqlEvents(queries: Queries): EventRepository {
  return {
    list: async (fleet, { after, limit }) =>
      eventShape.toNouns(
        await queries
          .selectFrom('events')
          .selectAll()
          .where('fleet', '=', fleet)
          .where('id', '>', after ?? 0)
          .orderBy('id')
          .limit(pageLimit(limit))
          .execute(),
      ),

    range: async (fleet) => {
      const ends = await queries
        .selectFrom('events')
        .where('fleet', '=', fleet)
        .select([
          sql<number | null>`min(id)`.as('oldest'),
          sql<number | null>`max(id)`.as('newest'),
        ])
        .executeTakeFirstOrThrow();
      const { oldest, newest } = ends;
      return oldest === null || newest === null ? null : { oldest, newest };
    },

    append: async (fleet, draft) => {
      const content = JSON.stringify(draft.content);
      // The id is the database's own: it rises even when the newest event was removed.
      const { id } = await queries
        .insertInto('events')
        .values({ ...draft, fleet, content })
        .returning('id')
        .executeTakeFirstOrThrow();
      return id;
    },

    removeOldest: async (fleet, keep) => {
      const result = await queries
        .deleteFrom('events')
        .where('fleet', '=', fleet)
        .where('id', '<=', (eb) =>
          eb
            .selectFrom('events')
            .select('id')
            .where('fleet', '=', fleet)
            .orderBy('id', 'desc')
            .limit(1)
            .offset(keep),
        )
        .executeTakeFirst();
      return Number(result.numDeletedRows);
    },
  };
}

export function sqlAudit(queries: Queries): AuditRepository {
  const rows = queries.selectFrom('auditRows').selectAll();
  return {
    last: async () =>
      auditShape.toNounOrNull(await rows.orderBy('number', 'desc').limit(1).executeTakeFirst()),

    listAll: async ({ after, limit }) =>
      auditShape.toNouns(
        await rows
          .where('number', '>', after ?? 0)
          .orderBy('number')
          .limit(pageLimit(limit))
          .execute(),
      ),

    list: async (fleet, { after, limit }) =>
      auditShape.toNouns(
        await rows
          .where('fleet', '=', fleet)
          .where('number', '>', after ?? 0)
          .orderBy('number')
          .limit(pageLimit(limit))
          .execute(),
      ),

    listWitnesses: async ({ after, limit }) => {
      let heads = queries.selectFrom('auditWitnesses');
      if (after !== undefined) {
        heads = heads.where(sql<boolean>`(size, hash) > (${after.size}, ${after.hash})`);
      }
      // `first` names one of the devices by `fleet/device`; whose signature of the head is shown does not matter.
      const rows = await heads
        .select(['size', 'hash', sql<number>`min("atMs")`.as('atMs')])
        .select(sql<string>`min("signedHead")`.as('signedHead'))
        .select(sql<string>`min(fleet || '/' || device)`.as('first'))
        .select(sql<number>`count(*)`.as('devices'))
        .groupBy(['size', 'hash'])
        .orderBy('size')
        .orderBy('hash')
        .limit(pageLimit(limit))
        .execute();
      return rows.map(({ first, ...head }): WitnessedHead => {
        const [fleet, device] = first.split('/');
        return { ...head, fleet: fleet as FleetId, device: device as DeviceId };
      });
    },

    insert: async (row) => {
      await queries.insertInto('auditRows').values(auditShape.toRow(row)).execute();
    },

    putWitness: async (witness) => {
      const { size, hash, atMs, signedHead } = witness;
      await queries
        .insertInto('auditWitnesses')
        .values(witness)
        .onConflict((conflict) =>
          conflict
            .columns(['fleet', 'device'])
            .doUpdateSet({ size, hash, atMs, signedHead })
            .where('auditWitnesses.size', '<', size),
        )
        .execute();
    },
  };
}
