import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { InThreadEngine } from '../../../fleet-server/adapters/sql/engine/in-thread-engine.ts';
import type { SqlRow } from '../../../fleet-server/adapters/sql/engine/sql-connection.ts';
import { migrations } from '../../../fleet-server/adapters/sql/migrations/migration-list.ts';
import { SqlStore } from '../../../fleet-server/adapters/sql/sql-store.ts';
import { hexOf, utf8 } from '../../../shared/core/bytes.ts';
import { sha256Hex } from '../../../shared/trust/hash.ts';

/**
 * Tables that a refusal may write to: the chain that says who was refused, the nonce that is burnt so that nobody can
 * try it twice, and the answer that is kept so that the same request gets the same refusal again.
 */
const written = new Set(['auditRows', 'challenges', 'idempotencyKeys']);

/** A store in memory whose every row can be looked at. */
export function openWatchedStore(): { store: SqlStore; rows: () => Promise<readonly string[]> } {
  const { writer, ...engine } = watchable();
  const store = new SqlStore({ ...engine, writer });
  const query = async (sql: string): Promise<readonly SqlRow[]> =>
    (await writer.execute({ sql, parameters: [] })).rows;
  const rows = () =>
    store.transaction(async () => {
      const tables = await query("select name from sqlite_master where type = 'table'");
      const lines: string[] = [];
      for (const { name } of tables) {
        if (typeof name !== 'string' || written.has(name)) continue;
        for (const row of await query(`select * from "${name}"`)) lines.push(name + shown(row));
      }
      return lines.sort();
    });
  return { store, rows };
}

function watchable() {
  const engine = new InThreadEngine(null, migrations);
  return {
    writer: engine.writer,
    readers: engine.readers,
    backupTo: (path: string) => engine.backupTo(path),
    close: () => engine.close(),
  };
}

const shown = (row: SqlRow): string =>
  JSON.stringify(row, (_key, value: unknown) =>
    value instanceof Uint8Array ? hexOf(value) : value,
  );

/** Path and hash of every file below a folder, sorted; `isLeftOut` names what may change and must say why. */
export async function filesBelow(
  folder: string,
  isLeftOut: (path: string) => boolean = () => false,
): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const lines: string[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path);
    if (!entry.isFile() || isLeftOut(name)) continue;
    lines.push(`${name} ${sha256Hex(await readFile(path))}`);
  }
  return lines.sort();
}

export const hashOfLines = (...groups: readonly (readonly string[])[]): string =>
  sha256Hex(utf8(groups.map((lines) => lines.join('\n')).join('\n\n')));
