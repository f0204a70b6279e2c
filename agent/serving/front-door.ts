import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import { type ErrorCode, errorCodes } from '../../shared/contracts/error-codes.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { codeOf, OperatingError } from '../../shared/core/operating-error.ts';
import { printable } from '../../shared/core/printable.ts';
import type { Log } from '../../shared/ports/log.ts';
import { registerModelRoutes } from './model-routes.ts';
import type { ServedAgent } from './served-models.ts';

export interface FrontDoorOptions {
  readonly agent: ServedAgent;
  readonly agentVersion: string;
  readonly log: Log;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Bearer token of every route but health; needed beyond loopback. */
  readonly token: string | undefined;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** Names it may be asked by, besides loopback names and addresses and `host` itself. */
  readonly hosts: readonly string[];
  readonly insecurePlaintext: boolean;
}

export interface FrontDoor {
  readonly port: number;
  /** Takes no more requests and resolves when those under way are answered. */
  close(): Promise<void>;
}

const loopback = /^(localhost|127(\.[0-9]{1,3}){3}|::1)$/;

/**
 * Opens the agent's HTTP door. Loopback needs nothing; any other address needs TLS and a token. Throws
 * `plaintext-refused`, `token-missing`, `listen-failed`.
 */
export async function openFrontDoor(options: FrontDoorOptions): Promise<FrontDoor> {
  const { host, port, token, tls, insecurePlaintext } = options;
  const isLoopback = loopback.test(host);
  if (!isLoopback && tls === undefined && !insecurePlaintext) {
    throw new OperatingError('plaintext-refused', `${host} is reached from other machines`);
  }
  if (!isLoopback && token === undefined) {
    throw new OperatingError('token-missing', `${host} is reached from other machines`);
  }
  const server = createServer(options);
  try {
    await server.listen({ host, port });
  } catch (cause) {
    throw new OperatingError('listen-failed', `${host}:${port} cannot be taken`, { cause });
  }
  const address = server.server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () => server.close(),
  };
}

function createServer(options: FrontDoorOptions): FastifyInstance {
  const { agent, agentVersion, log, tls } = options;
  const server = Fastify({
    logger: false,
    bodyLimit: limits.inferBodyBytesMax,
    requestTimeout: limits.loginTimeoutMs,
    ...(tls === undefined ? {} : { https: { ...tls, minVersion: 'TLSv1.2' } }),
    routerOptions: { maxParamLength: 128 },
  }) as unknown as FastifyInstance;
  // One strict validator of the house reads every body: the framework's would coerce.
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body);
  });
  let underWay = 0;
  server.addHook('onRequest', async (request) => {
    underWay += 1;
    admit(request, options);
    if (underWay > limits.inferRequestsMax) {
      throw new OperatingError('queue-full', `${limits.inferRequestsMax} requests are under way`);
    }
  });
  server.addHook('onResponse', async () => {
    underWay = Math.max(0, underWay - 1);
  });
  server.setErrorHandler((error: FastifyError, _request, reply) => {
    const { status, message } = failureOf(error);
    if (status >= 500) log.warn({ event: 'request-failed', code: codeOf(error), error }, message);
    // Open Inference Protocol V2, "Inference Response JSON Error Object": one text, no code.
    return reply.code(status).type('application/json').send({ error: message });
  });
  server.setNotFoundHandler(async (_request, reply) =>
    reply.code(404).send({ error: `route-unknown: ${errorCodes['route-unknown'].sentence}` }),
  );
  registerModelRoutes(server, { agent, agentVersion });
  return server;
}

/** A page in a browser can reach loopback under a name of its own, so the name is judged first. Throws coded errors. */
function admit(request: FastifyRequest, { host, hosts, token }: FrontDoorOptions): void {
  const asked = hostNameOf(request.headers.host ?? '');
  const isKnown = loopback.test(asked) || isIP(asked) !== 0 || asked === host;
  if (!isKnown && !hosts.includes(asked)) {
    throw new OperatingError('host-refused', `${asked.slice(0, 64)} is no name of this device`);
  }
  if (token === undefined || request.url.startsWith('/v2/health/')) return;
  const [, given] = /^Bearer ([!-~]{1,512})$/i.exec(request.headers.authorization ?? '') ?? [];
  if (given === undefined) throw new OperatingError('token-missing', 'no bearer token came');
  if (!timingSafeEqual(hashOf(given), hashOf(token))) {
    throw new OperatingError('token-invalid', 'the bearer token is another one');
  }
}

/** `example:8080`, `[::1]:8080` and `::1` without what is no name. */
function hostNameOf(header: string): string {
  const name = /^\[([0-9a-f:.]+)\](?::[0-9]+)?$/i.exec(header)?.[1];
  return (name ?? header.replace(/:[0-9]+$/, '')).toLowerCase();
}

const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest();

function failureOf(error: FastifyError): { readonly status: number; readonly message: string } {
  const code = error instanceof OperatingError ? error.code : frameworkCodes.get(error.code);
  if (code === undefined || !isErrorCode(code)) {
    const isTheirs = error.statusCode !== undefined && error.statusCode < 500;
    return isTheirs
      ? { status: error.statusCode ?? 400, message: `malformed-request: ${error.code}` }
      : { status: 500, message: 'inference-failed: the agent failed; its log says why' };
  }
  const { status, sentence } = errorCodes[code];
  return { status, message: printable(`${code}: ${error.message}. ${sentence}`) };
}

const frameworkCodes: ReadonlyMap<string, ErrorCode> = new Map([
  ['FST_ERR_CTP_BODY_TOO_LARGE', 'too-large'],
]);

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code);
