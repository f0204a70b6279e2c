import { parentPort } from 'node:worker_threads';
import { invariant } from '../../core/invariant.ts';
import type { HostRequest } from '../host-messages.ts';
import { serveSession } from '../serve-session.ts';

/** Body of the thread that hosts one session. */
const port = parentPort;
invariant(port !== null, 'worker-entry runs as a worker thread');

const serve = serveSession(
  (reply, transfer) => port.postMessage(reply, transfer),
  () => port.close(),
);
port.on('message', (request: HostRequest) => serve(request));
