import type { FleetRepository } from '../../../ports/repositories/fleet-repository.ts';
import type { Queries } from '../schema.ts';

export function sqlFleets(queries: Queries): FleetRepository {
  return {
    get: async (fleet) =>
      (await queries
        .selectFrom('fleets')
        .selectAll()
        .where('fleet', '=', fleet)
        .executeTakeFirst()) ?? null,
    list: () => queries.selectFrom('fleets').selectAll().orderBy('fleet').execute(),
    insert: async (fleet) => {
      await queries.insertInto('fleets').values(fleet).execute();
    },
  };
}
