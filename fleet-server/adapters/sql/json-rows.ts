import { type RawBuilder, sql } from 'kysely';
import { limits } from '../../../shared/contracts/limits.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import type { Queries, StoreSchema } from './schema.ts';

/**
 * Many rows as one statement with one parameter, so that a batch of any size is one prepared statement. The one
 * place (with the filter compiler) that PostgreSQL will write differently.
 */
export async function insertRows<Table extends keyof StoreSchema>(
  queries: Queries,
  table: Table,
  rows: readonly StoreSchema[Table][],
): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  const columns = Object.keys(first).sort();
  const tuples = rows.map((row) => columns.map((column) => row[column as keyof typeof row]));
  await sql`insert into ${sql.table(table)} (${sql.join(columns.map((name) => sql.ref(name)))})
    select ${sql.join(columns.map((_, index) => element(index)))}
    from json_each(${JSON.stringify(tuples)}) where true`.execute(queries);
}

const element = (index: number): RawBuilder<unknown> =>
  sql`json_extract(value, ${sql.lit(`$[${index}]`)})`;

/** `x in (...)` over a list of any length with one parameter. */
export function listed<T extends string | number>(values: readonly T[]): RawBuilder<T> {
  return sql<T>`(select value from json_each(${JSON.stringify(values)}))`;
}

/** The bound of a page. A page without one is a bug, not a wish. */
export function pageLimit(limit: number): number {
  invariant(
    Number.isSafeInteger(limit) && limit > 0 && limit <= limits.storePageMax,
    'a page has between 1 and storePageMax rows',
  );
  return limit;
}
