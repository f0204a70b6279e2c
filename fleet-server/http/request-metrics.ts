import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Metrics } from '../../shared/ports/metrics.ts';

/** Everything else that a client may call its method is one series. */
const methods: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** Answers that last for as long as somebody listens; their length says nothing about the server. */
const streamed = /\/stream$/;

/** Counts each answer under its route's template: what a client writes into a URL never becomes a label. */
export function useRequestMetrics(app: FastifyInstance, metrics: Metrics): void {
  app.addHook('onResponse', async (request, reply) => {
    const route = templateOf(request);
    const method = methods.includes(request.method) ? request.method : 'other';
    const status = `${Math.floor(reply.statusCode / 100)}xx`;
    metrics.count('skein_http_requests_total', 1, { method, route, status });
    if (!streamed.test(route)) {
      metrics.observe('skein_http_request_seconds', reply.elapsedTime / 1_000, { route });
    }
  });
}

const templateOf = (request: FastifyRequest): string => request.routeOptions.url ?? 'unmatched';
