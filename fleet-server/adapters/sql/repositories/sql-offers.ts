import { type Selectable, sql } from 'kysely';
import type { DeviceId, Digest, FleetId, RolloutId } from '../../../../shared/core/ids.ts';
import { type Offer, openStatuses } from '../../../core/model/rollout.ts';
import type { Exposure } from '../../../core/rollout/step-exposure.ts';
import type {
  DigestWalk,
  FoundDigests,
} from '../../../ports/repositories/device-app-repository.ts';
import type { OfferRepository } from '../../../ports/repositories/offer-repository.ts';
import { element, listed, pageLimit, upsertRows } from '../json-rows.ts';
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

    findPrevious: (fleet, rollout, walk) => findPrevious(queries, { fleet, rollout }, walk),

    put: (fleet, offer) => putOffers(queries, fleet, [offer]),
    putMany: (fleet, offers) => putOffers(queries, fleet, offers),
  };
}

async function putOffers(
  queries: Queries,
  fleet: FleetId,
  offers: readonly Offer[],
): Promise<void> {
  if (offers.length === 0) return;
  const before = new Map<string, Offer>();
  const byRollout = new Map<RolloutId, DeviceId[]>();
  for (const { exposure } of offers) {
    const devices = byRollout.get(exposure.rollout);
    if (devices === undefined) byRollout.set(exposure.rollout, [exposure.device]);
    else devices.push(exposure.device);
  }
  for (const [rollout, devices] of byRollout) {
    const rows = await queries
      .selectFrom('offers')
      .selectAll()
      .where('fleet', '=', fleet)
      .where('rollout', '=', rollout)
      .where('device', 'in', listed(devices))
      .execute();
    for (const row of rows) before.set(nameOf(row), offerOf(row));
  }
  const counts = new CountChanges();
  for (const offer of offers) counts.move(before.get(nameOf(offer.exposure)), offer);
  await Promise.all([
    upsertRows(queries, 'offers', {
      key: ['fleet', 'rollout', 'device'],
      rows: offers.map(({ cell, arm, exposure }) => ({
        ...shape.toRow(exposure),
        fleet,
        cell,
        arm,
      })),
    }),
    addCounts(queries, fleet, counts.rows),
  ]);
}

const nameOf = ({ rollout, device }: Pick<Exposure, 'rollout' | 'device'>): string =>
  `${rollout} ${device}`;

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

/** A device has one offer of a rollout, so a page of rows is a page of devices. */
async function findPrevious(
  queries: Queries,
  { fleet, rollout }: { fleet: FleetId; rollout: RolloutId },
  { digests, page: { after, limit } }: DigestWalk,
): Promise<FoundDigests> {
  let offers = queries
    .selectFrom('offers')
    .select('device')
    .select(sql<Digest | null>`json_extract(${sql.ref('previous')}, '$.digest')`.as('digest'))
    .where('fleet', '=', fleet)
    .where('rollout', '=', rollout);
  if (after !== undefined) offers = offers.where('device', '>', after);
  const rows = await offers.orderBy('device').limit(pageLimit(limit)).execute();
  const named = new Set(rows.map(({ digest }) => digest));
  const last = rows.length < limit ? null : (rows.at(-1)?.device ?? null);
  return { digests: digests.filter((digest) => named.has(digest)).sort(), last };
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

/** How many offers of each kind there are more, or fewer. */
class CountChanges {
  readonly #counts = new Map<string, number>();

  move(was: Offer | undefined, is: Offer): void {
    const [before, after] = [was && kindOf(was), kindOf(is)];
    if (before === after) return;
    if (before !== undefined) this.#add(before, -1);
    this.#add(after, 1);
  }

  /** Each kind's columns, then the change. */
  get rows(): readonly (readonly unknown[])[] {
    return [...this.#counts]
      .filter(([, count]) => count !== 0)
      .map(([kind, count]) => [...(JSON.parse(kind) as readonly unknown[]), count]);
  }

  #add(kind: string, change: number): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + change);
  }
}

const kindOf = ({ arm, exposure: { rollout, wave, phase, code } }: Offer): string =>
  JSON.stringify([rollout, wave, arm, phase, code ?? '']);

async function addCounts(
  queries: Queries,
  fleet: FleetId,
  rows: CountChanges['rows'],
): Promise<void> {
  if (rows.length === 0) return;
  const table = sql.table('offerCounts');
  await sql`insert into ${table} (fleet, rollout, wave, arm, phase, code, count)
    select ${fleet}, ${sql.join([0, 1, 2, 3, 4, 5].map(element))}
    from json_each(${JSON.stringify(rows)}) where true
    on conflict (fleet, rollout, wave, arm, phase, code) do update
    set count = ${table}.count + excluded.count`.execute(queries);
}
