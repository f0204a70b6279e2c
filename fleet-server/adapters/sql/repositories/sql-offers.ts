import { type Selectable, sql } from 'kysely';
import type { DeviceId, FleetId, RolloutId } from '../../../../shared/core/ids.ts';
import { type Offer, openStatuses } from '../../../core/model/rollout.ts';
import type { Exposure } from '../../../core/rollout/step-exposure.ts';
import type { OfferRepository } from '../../../ports/repositories/offer-repository.ts';
import { listed, pageLimit } from '../json-rows.ts';
import { RowShape } from '../row-shape.ts';
import type { Queries, StoreSchema } from '../schema.ts';

const shape = new RowShape<Exposure, 'previous'>({ json: ['previous'] });

type OfferRow = Selectable<StoreSchema['offers']>;

/** INVARIANT: `offerCounts` holds, for each kind of offer, how many rows of `offers` are of it. */
export function sqlOffers(queries: Queries): OfferRepository {
  return {
    ...offerLists(queries),
    ...offerCounts(queries),

    get: async (fleet, rollout, device) => {
      const row = await rowOf(queries, { fleet, rollout, device });
      return row === undefined ? null : offerOf(row);
    },

    put: async (fleet, offer) => {
      const { rollout, device } = offer.exposure;
      const before = await rowOf(queries, { fleet, rollout, device });
      const { cell, arm } = offer;
      const { rollout: _rollout, device: _device, ...fields } = shape.toRow(offer.exposure);
      await Promise.all([
        queries
          .insertInto('offers')
          .values({ ...fields, fleet, rollout, device, cell, arm })
          .onConflict((conflict) =>
            conflict.columns(['fleet', 'rollout', 'device']).doUpdateSet({ ...fields, cell, arm }),
          )
          .execute(),
        addCounts(queries, {
          fleet,
          rollout,
          was: before && kindOf(offerOf(before)),
          is: kindOf(offer),
        }),
      ]);
    },
  };
}

function offerLists(
  queries: Queries,
): Pick<OfferRepository, 'listExposures' | 'listByPhase' | 'listDue' | 'listPlaces'> {
  return {
    listExposures: async (fleet, devices) => {
      const rows = await queries
        .selectFrom('offers')
        .selectAll()
        .where('fleet', '=', fleet)
        .where('device', 'in', listed(devices))
        .orderBy('device')
        .orderBy('rollout')
        .execute();
      return rows.map(exposureOf);
    },

    listByPhase: async (fleet, rollout, { wave, phases, page: { after, limit } }) => {
      let rows = queries
        .selectFrom('offers')
        .selectAll()
        .where('fleet', '=', fleet)
        .where('rollout', '=', rollout);
      if (wave !== undefined) rows = rows.where('wave', '=', wave);
      if (phases !== undefined) rows = rows.where('phase', 'in', listed(phases));
      if (after !== undefined) rows = rows.where('device', '>', after);
      const found = await rows.orderBy('device').limit(pageLimit(limit)).execute();
      return found.map(exposureOf);
    },

    listDue: async (fleet, nowMs, limit) => {
      const rows = await queries
        .selectFrom('offers')
        .selectAll()
        .where('fleet', '=', fleet)
        .where('dueAtMs', '<=', nowMs)
        .orderBy('dueAtMs')
        .orderBy('device')
        .orderBy('rollout')
        .limit(pageLimit(limit))
        .execute();
      return rows.map(offerOf);
    },

    listPlaces: (fleet, devices) =>
      queries
        .selectFrom('offers')
        .innerJoin('rollouts', (join) =>
          join
            .onRef('rollouts.fleet', '=', 'offers.fleet')
            .onRef('rollouts.rollout', '=', 'offers.rollout'),
        )
        .where('offers.fleet', '=', fleet)
        .where('offers.device', 'in', listed(devices))
        .where('rollouts.status', 'in', openStatuses)
        .select(['offers.device', 'offers.rollout', 'offers.app', 'offers.digest', 'offers.arm'])
        .select(
          sql<number>`iif(${sql.ref('offers.arm')} = 'control', ${sql.ref('rollouts.wave')}, ${sql.ref('offers.wave')})`.as(
            'wave',
          ),
        )
        .orderBy('offers.device')
        .orderBy('offers.rollout')
        .execute(),
  };
}

function offerCounts(queries: Queries): Pick<OfferRepository, 'counts' | 'failureCodes'> {
  const ofRollout = (fleet: FleetId, rollout: RolloutId) =>
    queries.selectFrom('offerCounts').where('fleet', '=', fleet).where('rollout', '=', rollout);
  const total = sql<number>`sum(${sql.ref('count')})`;
  return {
    counts: (fleet, rollout) =>
      ofRollout(fleet, rollout)
        .select(['wave', 'arm', 'phase', total.as('count')])
        .groupBy(['wave', 'arm', 'phase'])
        .having(total, '>', 0)
        .orderBy('wave')
        .orderBy('arm')
        .orderBy('phase')
        .execute(),

    failureCodes: (fleet, rollout) =>
      ofRollout(fleet, rollout)
        .where('phase', '=', 'failed')
        .where('code', '!=', '')
        .select(['code', total.as('count')])
        .groupBy('code')
        .having(total, '>', 0)
        .orderBy('code')
        .execute(),
  };
}

function rowOf(
  queries: Queries,
  key: { fleet: FleetId; rollout: RolloutId; device: DeviceId },
): Promise<OfferRow | undefined> {
  return queries
    .selectFrom('offers')
    .selectAll()
    .where('fleet', '=', key.fleet)
    .where('rollout', '=', key.rollout)
    .where('device', '=', key.device)
    .executeTakeFirst();
}

function exposureOf({ fleet: _fleet, cell: _cell, arm: _arm, ...row }: OfferRow): Exposure {
  return shape.toNoun(row);
}

const offerOf = (row: OfferRow): Offer => ({
  cell: row.cell,
  arm: row.arm,
  exposure: exposureOf(row),
});

type OfferKind = readonly [wave: number, arm: string, phase: string, code: string];

const kindOf = ({ arm, exposure: { wave, phase, code } }: Offer): OfferKind => [
  wave,
  arm,
  phase,
  code ?? '',
];

/** One statement moves one count to its new kind. */
async function addCounts(
  queries: Queries,
  change: { fleet: FleetId; rollout: RolloutId; was: OfferKind | undefined; is: OfferKind },
): Promise<void> {
  const { fleet, rollout, was, is } = change;
  if (was?.join(' ') === is.join(' ')) return;
  const rows = [[...is, 1], ...(was === undefined ? [] : [[...was, -1]])];
  const at = (index: number) => sql`json_extract(value, ${sql.lit(`$[${index}]`)})`;
  const table = sql.table('offerCounts');
  await sql`insert into ${table} (fleet, rollout, wave, arm, phase, code, count)
    select ${fleet}, ${rollout}, ${sql.join([0, 1, 2, 3, 4].map(at))}
    from json_each(${JSON.stringify(rows)}) where true
    on conflict (fleet, rollout, wave, arm, phase, code) do update
    set count = ${table}.count + excluded.count`.execute(queries);
}
