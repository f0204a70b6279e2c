import type { Database, Statement } from 'better-sqlite3';

/** Never emptied, and only filled where it has to be. */
const kept: (Database | Statement)[] = [];

const nodeMajor = Number.parseInt(process.versions.node, 10);

/**
 * better-sqlite3 12, the newest that Node 20 runs, ends a process of Node 24 when the garbage collector takes one of
 * its objects (`RemoveEnvironmentCleanupHook`, since Node 24.16). There none of them is let go: a process has few
 * databases and prepares each of its statements once, so they are few too.
 */
export function keepNatives(database: Database): Database {
  if (nodeMajor < 24) return database;
  const prepare = database.prepare.bind(database);
  const keptStatement = (sql: string): Statement => {
    const statement = prepare(sql) as Statement;
    kept.push(statement);
    return statement;
  };
  const pragma: Database['pragma'] = (source, options) => {
    const statement = keptStatement(`pragma ${source}`);
    if (!statement.reader) return statement.run();
    return options?.simple === true ? statement.pluck().get() : statement.all();
  };
  kept.push(database);
  return Object.assign(database, { prepare: keptStatement, pragma });
}
