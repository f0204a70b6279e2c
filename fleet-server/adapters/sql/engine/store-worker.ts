import { parentPort, workerData } from 'node:worker_threads';
import type { Database } from 'better-sqlite3';
import { invariant } from '../../../../shared/core/invariant.ts';
import { copyInto } from '../migrations/migrate-database.ts';
import { migrations } from '../migrations/migration-list.ts';
import { openReader, openWriter } from './open-database.ts';
import type { SqlResult } from './sql-connection.ts';
import { sqlFailureOf } from './sql-failure.ts';
import { SqliteSession } from './sqlite-session.ts';
import type { WorkerAnswer, WorkerRequest, WorkerSetup } from './worker-messages.ts';

/** Entry of the store's thread: an fsync here never holds up a heartbeat or a request of the main thread. */
const port = parentPort;
invariant(port !== null, 'the store worker runs in a worker thread');

const none: SqlResult = { rows: [], changes: 0 };

function open(): { databases: Database[]; failure: WorkerAnswer } {
  const { path, readers } = workerData as WorkerSetup;
  const databases: Database[] = [];
  try {
    databases.push(openWriter({ path, migrations }));
    for (let i = 0; i < readers; i += 1) databases.push(openReader(path));
    return { databases, failure: { ok: true, result: none } };
  } catch (error) {
    return { databases, failure: { ok: false, failure: sqlFailureOf(error) } };
  }
}

const { databases, failure } = open();
const sessions = databases.map((database) => new SqliteSession(database));

function answer(request: WorkerRequest): SqlResult {
  switch (request.kind) {
    case 'execute':
      return sessionOf(request.connection).execute(request);
    case 'control':
      sessionOf(request.connection).control(request.sql);
      return none;
    case 'backup':
      if (databases[0] !== undefined) copyInto(databases[0], request.path);
      return none;
    case 'close':
      // Readers first: the writer's last checkpoint needs the file to itself to empty the log.
      for (const database of [...databases].reverse()) database.close();
      return none;
  }
}

function sessionOf(connection: number): SqliteSession {
  const session = sessions[connection];
  invariant(session !== undefined, 'no such connection');
  return session;
}

port.postMessage([failure]);
if (!failure.ok) {
  for (const database of databases) database.close();
  port.close();
}

port.on('message', (batch: readonly WorkerRequest[]) => {
  const answers = batch.map((request): WorkerAnswer => {
    try {
      return { ok: true, result: answer(request) };
    } catch (error) {
      return { ok: false, failure: sqlFailureOf(error) };
    }
  });
  port.postMessage(answers);
  if (batch.some((request) => request.kind === 'close')) port.close();
});
