import { createServer as createTcpServer, isIP, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { OperatingError } from '../../../shared/core/operating-error.ts';

/** Where devices come in: a TCP address or, with `host` an absolute path, a Unix socket. */
export interface ListenOptions {
  readonly host: string;
  /** 0 lets the system choose; unused for a Unix socket. */
  readonly port: number;
  /** PEM texts. With `clientCa`, only clients with a certificate of it come in. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string };
}

export interface Listener {
  /** As the system gave it. */
  readonly port: number;
  readonly isPlaintextBeyondLoopback: boolean;
  isListening(): boolean;
  /** Cuts whoever is still connected, in a handshake too. */
  close(): Promise<void>;
}

export interface ListenHandlers {
  /** Asked for each raw connection, before any handshake. */
  readonly admit: () => boolean;
  readonly accept: (socket: Socket) => void;
}

/** Throws `plaintext-refused` or `listen-failed`. */
export async function openListener(
  options: ListenOptions & { readonly insecurePlaintext: boolean; readonly handshakeMs: number },
  handlers: ListenHandlers,
): Promise<Listener> {
  const { host, port, tls, insecurePlaintext } = options;
  const isPlaintextBeyondLoopback = tls === undefined && !isLocal(host);
  if (isPlaintextBeyondLoopback && !insecurePlaintext) {
    throw new OperatingError('plaintext-refused', `${host} is not loopback and has no TLS`);
  }
  const server = tls === undefined ? createTcpServer() : startTls(tls, options.handshakeMs);
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    socket.on('error', ignoreReset);
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    if (!handlers.admit()) socket.destroy();
    else if (tls === undefined) handlers.accept(socket.setNoDelay(true));
  });
  server.on('secureConnection', (socket: Socket) => handlers.accept(socket.setNoDelay(true)));
  await listen(server, { host, port });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    isPlaintextBeyondLoopback,
    isListening: () => server.listening,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Loopback addresses and Unix sockets. A name is not an address: only `localhost` is known to stay here. */
export function isLocal(host: string): boolean {
  if (host.startsWith('/') || host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

function startTls(tls: NonNullable<ListenOptions['tls']>, handshakeTimeout: number) {
  const { cert, key, clientCa } = tls;
  return createTlsServer({
    cert,
    key,
    minVersion: 'TLSv1.2',
    handshakeTimeout,
    ...(clientCa === undefined
      ? {}
      : { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
  });
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void =>
      reject(new OperatingError('listen-failed', `cannot listen on ${host}:${port}`, { cause }));
    server.once('error', failed);
    server.listen(host.startsWith('/') ? { path: host } : { host, port }, () => {
      server.removeListener('error', failed);
      resolve();
    });
  });
}

/** A peer may reset a socket that nobody reads yet; without a listener that would end the process. */
function ignoreReset(): void {
  // The close event that follows is what counts.
}
