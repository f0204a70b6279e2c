import { parentPort, workerData } from 'node:worker_threads';
import { type PrepareOptions, prepare } from './prepare.ts';
import type { PrepareNews } from './prepare-thread.ts';

/** The thread that fits the releases, so that the server and its devices start meanwhile. */
const say = (news: PrepareNews): void => parentPort?.postMessage(news);

// A rejection ends the thread with its error, which the other side waits for.
say({
  kind: 'prepared',
  prepared: await prepare(workerData as PrepareOptions, (deal) => say({ kind: 'dealt', deal })),
});
