import { sql } from 'kysely';
import type { Digest } from '../../../../shared/core/ids.ts';
import type { DeviceApp } from '../../../core/model/device-app.ts';
import type {
  DesiredEnvelopeRepository,
  DeviceAppRepository,
} from '../../../ports/repositories/device-app-repository.ts';
import { listed } from '../json-rows.ts';
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

    put: async (record) => {
      const row = shape.toRow(record);
      const { fleet: _fleet, device: _device, app: _app, ...rest } = row;
      await queries
        .insertInto('deviceApps')
        .values(row)
        .onConflict((conflict) => conflict.columns(['fleet', 'device', 'app']).doUpdateSet(rest))
        .execute();
    },
  };
}

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

    put: async (record) => {
      const { fleet: _fleet, device: _device, ...rest } = record;
      const { directorVersion, generation } = record;
      const result = await queries
        .insertInto('desiredEnvelopes')
        .values(record)
        .onConflict((conflict) =>
          conflict
            .columns(['fleet', 'device'])
            .doUpdateSet(rest)
            .where((eb) =>
              eb.or([
                eb('desiredEnvelopes.directorVersion', '<', directorVersion),
                eb.and([
                  eb('desiredEnvelopes.directorVersion', '=', directorVersion),
                  eb('desiredEnvelopes.generation', '<', generation),
                ]),
              ]),
            ),
        )
        .executeTakeFirst();
      return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
    },
  };
}
