import { createServer } from 'node:net';
import { Aedes } from 'aedes';

export interface BareAedes {
  readonly aedes: Aedes;
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** The broker library by itself on a free port of loopback: the peer of what is built around it. */
export async function openBareAedes(): Promise<BareAedes> {
  const aedes = await Aedes.createBroker();
  const server = createServer((socket) => void aedes.handle(socket.setNoDelay(true)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  return {
    aedes,
    port: typeof bound === 'object' && bound !== null ? bound.port : 0,
    close: () =>
      new Promise((resolve) => {
        aedes.close(() => void server.close(() => resolve()));
      }),
  };
}
