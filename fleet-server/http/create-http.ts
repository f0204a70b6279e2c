import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import helmet from '@fastify/helmet';
import Fastify, { type FastifyInstance } from 'fastify';
import { limits } from '../../shared/contracts/limits.ts';
import { hexOf } from '../../shared/core/bytes.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import type { Random } from '../../shared/ports/random.ts';
import type { FrontDesks } from '../runner/front-desks.ts';
import { auditRoutes } from './audit-routes.ts';
import { useAuthentication } from './authentication.ts';
import { bundleRoutes } from './bundle-routes.ts';
import { type ClaimRoutesDeps, claimRoutes } from './claim-routes.ts';
import { devicePlane } from './device-plane.ts';
import { deviceRoutes } from './device-routes.ts';
import { eventRoutes } from './event-routes.ts';
import { federationRoutes } from './federation-routes.ts';
import { fleetRoutes } from './fleet-routes.ts';
import { type HealthDeps, healthRoutes } from './health-routes.ts';
import { useHostGuard } from './host-guard.ts';
import type { HttpApp } from './http-app.ts';
import { useIdempotency } from './idempotency.ts';
import { describeApp, useOpenApi } from './openapi.ts';
import { createProblemAnswer, HttpProblem } from './problem-answer.ts';
import { useRateLimit } from './rate-limit.ts';
import { useRequestMetrics } from './request-metrics.ts';
import { rolloutRoutes } from './rollout-routes.ts';
import { roundUploadPlane } from './round-upload-plane.ts';
import { useStrictSchemas } from './strict-schemas.ts';
import { tokenRoutes } from './token-routes.ts';

export interface HttpDeps {
  readonly desks: FrontDesks;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly random: Random;
  /** Names this server is asked by, without ports. */
  readonly hosts: readonly string[];
  readonly tls?: { readonly key: Uint8Array; readonly cert: Uint8Array };
  readonly health: HealthDeps;
  readonly enrolment: Omit<ClaimRoutesDeps, 'claims'>;
  readonly closing: AbortSignal;
  /** Further planes, such as the metadata and the registry; each route declares its access. */
  readonly planes?: readonly ((app: HttpApp) => Promise<void>)[];
}

/**
 * The HTTP front door. Order of judgement: host, token, fleet, role, form, rate, precondition. No CORS headers are ever
 * sent: only this origin's own page may read answers.
 */
export async function createHttp(deps: HttpDeps): Promise<FastifyInstance> {
  const { desks, log } = deps;
  const app = createApp(deps);
  app.setErrorHandler(createProblemAnswer(log));
  app.setNotFoundHandler((request) => {
    throw new HttpProblem('route-unknown', { detail: `${request.method} has nothing here` });
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('request-id', request.id);
  });
  useRequestMetrics(app, deps.metrics);
  useHostGuard(app, deps.hosts);
  useStrictSchemas(app);
  await useHelmet(app, deps.tls !== undefined);
  const failures = await useRateLimit(app);
  useAuthentication(app, { access: desks.access, fleets: desks.fleets, failures });
  useIdempotency(app, desks.answers);
  await useOpenApi(app);
  await app.register(async (scope) => registerPlanes(scope as unknown as HttpApp, deps));
  app.get('/openapi.json', { config: { access: { kind: 'public' } } }, () => describeApp(app));
  app.server.headersTimeout = limits.headersTimeoutMs;
  await app.ready();
  return app;
}

function createApp({ tls, random }: HttpDeps): FastifyInstance {
  return Fastify({
    logger: false,
    bodyLimit: limits.requestBytesMax,
    genReqId: () => hexOf(random.bytes(8)),
    // A request id from outside could be made to look like another one in the log.
    requestIdHeader: false,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    serverFactory: (listener) =>
      tls === undefined
        ? createServer(listener)
        : createTlsServer({ key: Buffer.from(tls.key), cert: Buffer.from(tls.cert) }, listener),
  });
}

async function useHelmet(app: FastifyInstance, isTls: boolean): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    strictTransportSecurity: isTls,
  });
}

async function registerPlanes(app: HttpApp, deps: HttpDeps): Promise<void> {
  const { desks, enrolment, health, closing } = deps;
  await app.register(async (scope: HttpApp) => healthRoutes(scope, health));
  await app.register(async (scope: HttpApp) => devicePlane(scope, desks), { prefix: '/device/v1' });
  await app.register(async (scope: HttpApp) => roundUploadPlane(scope, desks), {
    prefix: '/device/v1',
  });
  await app.register(
    async (scope: HttpApp) => {
      await fleetRoutes(scope, desks);
      await tokenRoutes(scope, desks);
      await deviceRoutes(scope, desks);
      await claimRoutes(scope, { ...enrolment, claims: desks.claims });
      await rolloutRoutes(scope, desks);
      await federationRoutes(scope, desks);
      await bundleRoutes(scope, desks);
      await auditRoutes(scope, desks);
      await eventRoutes(scope, { ...desks, closing });
    },
    { prefix: '/api/v1' },
  );
  for (const plane of deps.planes ?? []) {
    await app.register(async (scope: HttpApp) => plane(scope));
  }
}
