import { type RawBuilder, sql } from 'kysely';
import { concatBytes } from '../../../../shared/core/bytes.ts';
import type { DeviceId, Digest, FleetId } from '../../../../shared/core/ids.ts';
import type { DesiredEnvelope, DeviceApp } from '../../../core/model/device-app.ts';
import type {
  DesiredEnvelopeRepository,
  DeviceAppRepository,
  DigestWalk,
  FoundDigests,
} from '../../../ports/repositories/device-app-repository.ts';
import { element, listed, pageLimit, upsertRows } from '../json-rows.ts';
import { RowShape } from '../row-shape.ts';
import type { Queries } from '../schema.ts';

const shape = new RowShape<DeviceApp, 'desired' | 'previous' | 'target' | 'refused', 'regressed'>({
  json: ['desired', 'previous', 'target', 'refused'],
  flags: ['regressed'],
});

export function sqlDeviceApps(queries: Queries): DeviceAppRepository {
  return {
    get: async (fleet, device, app) =>
      shape.toNounOrNull(
        await queries
          .selectFrom('deviceApps')
          .selectAll()
          .where('fleet', '=', fleet)
          .where('device', '=', device)
          .where('app', '=', app)
          .executeTakeFirst(),
      ),

    listOf: async (fleet, devices) =>
      shape.toNouns(
        await queries
          .selectFrom('deviceApps')
          .selectAll()
          .where('fleet', '=', fleet)
          .where('device', 'in', listed(devices))
          .orderBy('device')
          .orderBy('app')
          .execute(),
      ),

    listFor: async (fleet, app, devices) =>
      shape.toNouns(
        await queries
          .selectFrom('deviceApps')
          .selectAll()
          .where('fleet', '=', fleet)
          .where('device', 'in', listed(devices))
          .where('app', '=', app)
          .orderBy('device')
          .execute(),
      ),

    countByActive: (fleet, app) =>
      queries
        .selectFrom('deviceApps')
        .where('fleet', '=', fleet)
        .where('app', '=', app)
        .where('active', 'is not', null)
        .select([sql<Digest>`active`.as('digest'), sql<number>`count(*)`.as('count')])
        .groupBy('active')
        .orderBy('count', 'desc')
        .orderBy('digest')
        .execute(),

    findNeeded: (fleet, walk) => findNeeded(queries, fleet, walk),

    isKnownGood: async (fleet, app) => {
      const row = await queries
        .selectFrom('deviceApps')
        .select('device')
        .where('fleet', '=', fleet)
        .where('app', '=', app)
        .where('firstCommittedAtMs', 'is not', null)
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },

    put: (record) => putApps(queries, [record]),
    putMany: (records) => putApps(queries, records),
  };
}

/** Each row is compared with the list first, and taken apart only where it names something of it. */
async function findNeeded(
  queries: Queries,
  fleet: FleetId,
  { digests, page: { after = '' as DeviceId, limit } }: DigestWalk,
): Promise<FoundDigests> {
  const end = await queries
    .selectFrom('deviceApps')
    .select('device')
    .where('fleet', '=', fleet)
    .where('device', '>', after)
    .orderBy('device')
    .offset(pageLimit(limit) - 1)
    .limit(1)
    .executeTakeFirst();
  const entries = ['desired', 'previous', 'target'] as const;
  const named = [
    ...(['active', 'lastGood'] as const).map((column) => sql`apps.${sql.ref(column)}`),
    ...entries.map((column) => sql`json_extract(apps.${sql.ref(column)}, '$.digest')`),
  ];
  const isAsked = (value: RawBuilder<unknown>) => sql`${value} in ${listed(digests)}`;
  const { rows } = await sql<{ digest: Digest }>`select distinct named.value as digest
    from ${sql.table('deviceApps')} as apps, json_each(json_array(${sql.join(named)})) as named
    where apps.fleet = ${fleet} and apps.device > ${after}
      and ${end === undefined ? sql`true` : sql`apps.device <= ${end.device}`}
      and (${sql.join(named.map(isAsked), sql` or `)})
      and ${isAsked(sql`named.value`)}
      and exists (select 1 from devices where devices.fleet = apps.fleet
        and devices.device = apps.device and devices.state in ('pending', 'accepted'))
    order by digest`.execute(queries);
  return { digests: rows.map(({ digest }) => digest), last: end?.device ?? null };
}

const putApps = (queries: Queries, records: readonly DeviceApp[]): Promise<void> =>
  upsertRows(queries, 'deviceApps', {
    key: ['fleet', 'device', 'app'],
    rows: records.map((record) => shape.toRow(record)),
  });

export function sqlDesiredEnvelopes(queries: Queries): DesiredEnvelopeRepository {
  return {
    get: async (fleet, device) =>
      (await queries
        .selectFrom('desiredEnvelopes')
        .selectAll()
        .where('fleet', '=', fleet)
        .where('device', '=', device)
        .executeTakeFirst()) ?? null,

    listFor: (fleet, devices) =>
      queries
        .selectFrom('desiredEnvelopes')
        .selectAll()
        .where('fleet', '=', fleet)
        .where('device', 'in', listed(devices))
        .orderBy('device')
        .execute(),

    putNewer: (envelopes) => putNewer(queries, envelopes),
  };
}

/** The envelopes travel as one byte string beside the keys: JSON would have to quote them. */
async function putNewer(
  queries: Queries,
  envelopes: readonly DesiredEnvelope[],
): Promise<readonly DeviceId[]> {
  if (envelopes.length === 0) return [];
  let offset = 1;
  const keys = envelopes.map((one) => {
    const from = offset;
    offset += one.envelope.length;
    const { fleet, device, directorVersion, generation, signedAtMs, envelope } = one;
    return [fleet, device, directorVersion, generation, signedAtMs, from, envelope.length];
  });
  const bytes = concatBytes(envelopes.map(({ envelope }) => envelope));
  const table = sql.table('desiredEnvelopes');
  const { rows } = await sql<{ device: DeviceId }>`insert into ${table}
      (fleet, device, directorVersion, generation, signedAtMs, envelope)
    select ${sql.join([0, 1, 2, 3, 4].map(element))},
      substr(body.bytes, ${element(5)}, ${element(6)})
    from (select ${bytes} as bytes) as body, json_each(${JSON.stringify(keys)}) where true
    on conflict (fleet, device) do update
    set directorVersion = excluded.directorVersion, generation = excluded.generation,
      signedAtMs = excluded.signedAtMs, envelope = excluded.envelope
    where (${table}.directorVersion, ${table}.generation)
      < (excluded.directorVersion, excluded.generation)
    returning device`.execute(queries);
  return rows.map(({ device }) => device);
}
