import { type RawBuilder, type SqlBool, sql } from 'kysely';
import { unreachable } from '../../../shared/core/invariant.ts';
import type {
  CompareOp,
  FilterField,
  FilterNode,
  FilterValue,
} from '../../core/targeting/filter-ast.ts';

type Condition = RawBuilder<SqlBool>;
type Plain = string | number | boolean;

const never: Condition = sql<SqlBool>`0`;
const always: Condition = sql<SqlBool>`1`;

/**
 * The targeting language over the table `devices`; means what `matchesFilter` means (a property test compares them).
 * Every leaf is 0 or 1, never NULL, so `not` is exact. In a glob `?` is one code point here and one UTF-16 unit there.
 */
export function filterCondition(node: FilterNode, nowMs: number): Condition {
  switch (node.kind) {
    case 'and':
    case 'or': {
      const items = node.items.map((item) => sql`(${filterCondition(item, nowMs)})`);
      return sql<SqlBool>`(${sql.join(items, node.kind === 'and' ? sql` and ` : sql` or `)})`;
    }
    case 'not':
      return sql<SqlBool>`not (${filterCondition(node.item, nowMs)})`;
    case 'compare': {
      const wanted = plainValue(node.value, nowMs);
      return node.op === '!='
        ? sql<SqlBool>`not (${fieldIs(node.field, compared('=', wanted))})`
        : fieldIs(node.field, compared(node.op, wanted));
    }
    case 'in': {
      const wanted = node.values.map((value) =>
        fieldIs(node.field, compared('=', plainValue(value, nowMs))),
      );
      return wanted.length === 0 ? never : sql<SqlBool>`(${sql.join(wanted, sql` or `)})`;
    }
    case 'has':
      return has(node.field, node.item);
    case 'glob':
      return fieldIs(node.field, (value) =>
        value.of('text', sql<SqlBool>`${value.sql} glob ${sqliteGlob(node.pattern)}`),
      );
    default:
      return unreachable(node);
  }
}

type ValueType = 'text' | 'number' | 'boolean';

/** A value of a device whose type is known now (a column) or only in the row (a fact). */
interface DeviceValue {
  readonly sql: RawBuilder<unknown>;
  /** The condition, and that the value is of the type. */
  of(type: ValueType, condition: Condition): Condition;
}

type Test = (value: DeviceValue) => Condition;

function fieldIs(field: FilterField, test: Test): Condition {
  switch (field.root) {
    case 'tags':
    case 'facts':
      return field.name === null ? never : entryIs(field.root, field.name, test);
    case 'device':
    case 'state':
      return test(column(sql.ref(`devices.${field.root}`), 'text'));
    case 'zone':
      return test(column(sql`coalesce(${sql.ref('devices.zone')}, 'UTC')`, 'text'));
    case 'online':
      return test(column(sql.ref('devices.online'), 'boolean'));
    case 'enrolledAt':
      return test(column(sql.ref('devices.enrolledAtMs'), 'number'));
    case 'lastSeen': {
      const seen = sql.ref('devices.lastSeenMs');
      return sql<SqlBool>`(${seen} is not null and ${test(column(sql`coalesce(${seen}, 0)`, 'number'))})`;
    }
    default:
      return unreachable(field);
  }
}

const column = (value: RawBuilder<unknown>, type: ValueType): DeviceValue => ({
  sql: value,
  of: (wanted, condition) => (wanted === type ? condition : never),
});

const jsonTypes = {
  text: sql`('text')`,
  number: sql`('integer', 'real')`,
  boolean: sql`('true', 'false')`,
} as const;

/** An entry of a map. A path is several times faster than a walk, and cannot spell a name with a quote in it. */
function entryIs(map: 'tags' | 'facts', name: string, test: Test): Condition {
  const column = sql.ref(`devices.${map}`);
  if (name.includes('"') || name.includes('\\')) return walkedEntryIs(column, name, test);
  const path = `$."${name}"`;
  const value: DeviceValue = {
    sql: sql`json_extract(${column}, ${path})`,
    of: (type, condition) =>
      sql<SqlBool>`(json_type(${column}, ${path}) in ${jsonTypes[type]} and ${condition})`,
  };
  return sql<SqlBool>`(json_type(${column}, ${path}) is not null and ${test(value)})`;
}

function walkedEntryIs(column: RawBuilder<unknown>, name: string, test: Test): Condition {
  const value: DeviceValue = {
    sql: sql`entry.value`,
    of: (type, condition) => sql<SqlBool>`(entry.type in ${jsonTypes[type]} and ${condition})`,
  };
  return sql<SqlBool>`exists (select 1 from json_each(${column}) as entry
    where entry.key = ${name} and ${test(value)})`;
}

function compared(op: Exclude<CompareOp, '!='>, wanted: Plain): Test {
  return (value) => {
    if (op === '=') {
      const bound = typeof wanted === 'boolean' ? Number(wanted) : wanted;
      return value.of(typeOf(wanted), sql<SqlBool>`${value.sql} = ${bound}`);
    }
    if (typeof wanted !== 'number') return never;
    return value.of('number', sql<SqlBool>`${value.sql} ${sql.raw(op)} ${wanted}`);
  };
}

const typeOf = (value: Plain): ValueType =>
  typeof value === 'string' ? 'text' : typeof value === 'number' ? 'number' : 'boolean';

function has(field: FilterField, item: string): Condition {
  if ((field.root === 'tags' || field.root === 'facts') && field.name === null) {
    const isAsked = item === '*' ? always : sql<SqlBool>`entry.key = ${item}`;
    return sql<SqlBool>`exists (select 1 from json_each(${sql.ref(`devices.${field.root}`)}) as entry
      where ${isAsked})`;
  }
  if (item === '*') return fieldIs(field, () => always);
  const number = Number(item);
  return fieldIs(field, (value) => {
    const isListed = item.includes(',')
      ? never
      : sql<SqlBool>`instr(',' || ${value.sql} || ',', ${`,${item},`}) > 0`;
    const readings = [value.of('text', isListed)];
    if (String(number) === item) readings.push(value.of('number', sql`${value.sql} = ${number}`));
    if (item === 'true' || item === 'false') {
      readings.push(value.of('boolean', sql`${value.sql} = ${item === 'true' ? 1 : 0}`));
    }
    return sql<SqlBool>`(${sql.join(readings, sql` or `)})`;
  });
}

/** SQLite's GLOB also knows character classes; ours does not. */
const sqliteGlob = (pattern: string): string => pattern.replaceAll('[', '[[]');

function plainValue(value: FilterValue, nowMs: number): Plain {
  switch (value.type) {
    case 'text':
      return value.text;
    case 'number':
      return value.number;
    case 'boolean':
      return value.boolean;
    case 'instant':
      return value.atMs;
    case 'relative':
      return nowMs + value.offsetMs;
    default:
      return unreachable(value);
  }
}
