import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { type ErrorCode, errorCodes } from '../../shared/contracts/error-codes.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { codeOf, OperatingError } from '../../shared/core/operating-error.ts';
import { printable } from '../../shared/core/printable.ts';
import type { Log } from '../../shared/ports/log.ts';
import { admitCaller, checkDoor, type DoorRule } from './door-rule.ts';
import { registerModelRoutes } from './model-routes.ts';
import type { ServedAgent } from './served-models.ts';

export interface FrontDoorOptions extends DoorRule {
  readonly agent: ServedAgent;
  readonly agentVersion: string;
  readonly log: Log;
}

export interface FrontDoor {
  readonly port: number;
  /** Takes no more requests and resolves when those under way are answered. */
  close(): Promise<void>;
}

/**
 * Opens the agent's HTTP door. Loopback needs nothing; any other address needs TLS and a token. Throws
 * `plaintext-refused`, `token-missing`, `listen-failed`.
 */
export async function openFrontDoor(options: FrontDoorOptions): Promise<FrontDoor> {
  const { host, port } = options;
  checkDoor(options);
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
    const { host, authorization } = request.headers;
    const asksHealth = request.url.startsWith('/v2/health/');
    admitCaller({ host, authorization, asksHealth }, options);
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
