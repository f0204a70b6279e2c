import { type RawBuilder, sql } from 'kysely';
import { limits } from '../../../shared/contracts/limits.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import type { Queries, StoreSchema } from './schema.ts';

type Rows<Table extends keyof StoreSchema> = readonly StoreSchema[Table][];

/**
 * Many rows as one statement with one parameter, so that a batch of any size is one prepared statement. The one
 * place (with the filter compiler) that PostgreSQL will write differently.
 */
export async function insertRows<Table extends keyof StoreSchema>(
  queries: Queries,
  table: Table,
  rows: Rows<Table>,
): Promise<void> {
  if (rows.length > 0) await insertion(table, rows).execute(queries);
}

/** The same, over rows that may be there: all but the columns of the key becomes what is given. */
export async function upsertRows<Table extends keyof StoreSchema>(
  queries: Queries,
  table: Table,
  {
    key,
    rows,
  }: { readonly key: readonly (keyof StoreSchema[Table] & string)[]; readonly rows: Rows<Table> },
): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  const names = new Set<string>(key);
  const changes = columnsOf(first)
    .filter((column) => !names.has(column))
    .map((column) => sql`${sql.ref(column)} = ${sql.ref(`excluded.${column}`)}`);
  await sql`${insertion(table, rows)}
    on conflict (${sql.join(key.map((name) => sql.ref(name)))}) do update
    set ${sql.join(changes)}`.execute(queries);
}

/** Part `index` of the lists that `json_each` reads. */
export const element = (index: number): RawBuilder<unknown> =>
  sql`json_extract(value, ${sql.lit(`$[${index}]`)})`;

function insertion<Table extends keyof StoreSchema>(
  table: Table,
  rows: Rows<Table>,
): RawBuilder<unknown> {
  const columns = columnsOf(rows[0] ?? {});
  const tuples = rows.map((row) => columns.map((column) => row[column as keyof typeof row]));
  return sql`insert into ${sql.table(table)} (${sql.join(columns.map((name) => sql.ref(name)))})
    select ${sql.join(columns.map((_, index) => element(index)))}
    from json_each(${JSON.stringify(tuples)}) where true`;
}

const columnsOf = (row: object): readonly string[] => Object.keys(row).sort();

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
