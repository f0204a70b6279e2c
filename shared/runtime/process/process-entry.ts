import { invariant } from '../../core/invariant.ts';
import type { HostRequest } from '../host-messages.ts';
import { serveSession } from '../serve-session.ts';

/**
 * Body of the disposable process that hosts one session. When its parent dies the channel closes and it ends. While a
 * native call hangs nothing in this process can notice that, and no thread of it could act: then the supervisor,
 * which was told the pid before the model was loaded, sends the SIGKILL.
 */
const send = process.send?.bind(process);
invariant(send !== undefined, 'process-entry runs as a forked child');

const serve = serveSession(
  (reply) => void send(reply),
  () => process.disconnect(),
);
process.on('message', (request) => serve(request as HostRequest));
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// A terminal's Ctrl-C reaches the whole group; the parent decides when a trial ends.
process.on('SIGINT', () => undefined);
