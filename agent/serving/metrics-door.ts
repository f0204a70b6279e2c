import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type ErrorCode, errorCodes } from '../../shared/contracts/error-codes.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { Problem } from '../../shared/contracts/problem.ts';
import { codeOf, OperatingError } from '../../shared/core/operating-error.ts';
import { printable } from '../../shared/core/printable.ts';
import type { Log } from '../../shared/ports/log.ts';
import { admitCaller, checkDoor, type DoorRule } from './door-rule.ts';
import type { FrontDoor } from './front-door.ts';

export interface MetricsDoorOptions extends DoorRule {
  readonly log: Log;
  /** Prometheus text exposition, read now. */
  readonly exposition: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

interface Page {
  readonly contentType: string;
  readonly text: string;
}

/**
 * Opens the agent's figures for reading: `/metrics`, and `/livez` without a token. Node's own server, because a device
 * that serves no inference should not load a framework for two pages. Throws `plaintext-refused`, `token-missing`,
 * `listen-failed`.
 */
export async function openMetricsDoor(options: MetricsDoorOptions): Promise<FrontDoor> {
  checkDoor(options);
  const { host, port, tls } = options;
  const timeouts = {
    requestTimeout: limits.metricsRequestTimeoutMs,
    headersTimeout: limits.metricsRequestTimeoutMs,
  };
  const scrapes = { underWay: 0 };
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    pageOf(request, { options, scrapes }).then(
      (page) => send(request, response, { status: 200, page }),
      (error: unknown) => refuse(request, response, { error, log: options.log }),
    );
  };
  const server =
    tls === undefined
      ? createServer(timeouts, answer)
      : createTlsServer({ ...timeouts, ...tls, minVersion: 'TLSv1.2' }, answer);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new OperatingError('listen-failed', `${host}:${port} cannot be taken`, { cause }));
    });
    server.listen({ host, port }, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // A scrape that is cut is tried again; what drains behind it must not wait.
        server.closeAllConnections();
      }),
  };
}

/** Throws coded errors. */
async function pageOf(
  request: IncomingMessage,
  door: { readonly options: MetricsDoorOptions; readonly scrapes: { underWay: number } },
): Promise<Page> {
  const { options, scrapes } = door;
  const { host, authorization } = request.headers;
  const [path] = (request.url ?? '/').split('?', 1);
  const asksHealth = path === '/livez';
  admitCaller({ host, authorization, asksHealth }, options);
  if (!asksHealth && path !== '/metrics') {
    throw new OperatingError('route-unknown', 'only /metrics and /livez are here');
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    throw new OperatingError('method-refused', `${path} is only read`);
  }
  if (asksHealth) return { contentType: 'application/json', text: '{"status":"ok"}' };
  if (scrapes.underWay >= limits.metricsScrapesMax) {
    throw new OperatingError('queue-full', `${limits.metricsScrapesMax} scrapes are under way`);
  }
  scrapes.underWay += 1;
  try {
    return await options.exposition();
  } finally {
    scrapes.underWay -= 1;
  }
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  failure: { readonly error: unknown; readonly log: Log },
): void {
  const { error, log } = failure;
  const known = codeOf(error);
  const code = isErrorCode(known) ? known : 'unexpected';
  const { status, sentence } = errorCodes[code];
  if (status >= 500) log.warn({ event: 'scrape-failed', code, error }, 'metrics were not read');
  const problem: Problem = {
    type: `urn:skein:problem:${code}`,
    title: sentence,
    status,
    code,
    ...(status < 500 && error instanceof Error ? { detail: printable(error.message) } : {}),
  };
  if (status === 405) response.setHeader('allow', 'GET, HEAD');
  if (status === 401) response.setHeader('www-authenticate', 'Bearer');
  const page = { contentType: 'application/problem+json', text: JSON.stringify(problem) };
  send(request, response, { status, page });
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: { readonly status: number; readonly page: Page },
): void {
  const { status, page } = answer;
  const bytes = Buffer.from(page.text);
  // A body that nobody asked for is not waited for.
  if (request.method !== 'GET') response.setHeader('connection', 'close');
  response.writeHead(status, {
    'content-type': page.contentType,
    'content-length': bytes.length,
    'cache-control': 'no-store',
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code);
