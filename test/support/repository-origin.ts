import fastify, { type FastifyInstance } from 'fastify';
import { createProblemAnswer } from '../../fleet-server/http/problem-answer.ts';
import type { AuthorizeRegistry } from '../../fleet-server/http/registry-access.ts';
import { registerRegistryRoutes } from '../../fleet-server/http/registry-routes.ts';
import { registerTufRoutes } from '../../fleet-server/http/tuf-routes.ts';
import type { ImageRepository } from '../../fleet-server/runner/image-repository.ts';
import { err, ok } from '../../shared/core/result.ts';
import type { OriginHandler } from '../../sim/world/sim-fetcher.ts';
import { silentLog } from './silent-ports.ts';
import { harbour, plant } from './store-nouns.ts';

export const tokens = { publisher: 'pub-token', plant: 'plant-token', harbour: 'harbour-token' };

/** A stand-in for the token desk: one publisher, and one reader of each fleet. */
const authorize: AuthorizeRegistry = async (token, need) => {
  const everything = { fleets: 'all' as const, seesUploads: true };
  if (token === tokens.publisher) return ok({ actor: 'pub', scope: everything });
  const fleet = token === tokens.plant ? plant : token === tokens.harbour ? harbour : undefined;
  if (fleet === undefined) return err({ code: 'token-invalid', message: 'no such token' });
  if (need === 'publish') return err({ code: 'signature-invalid', message: 'may only read' });
  return ok({ actor: fleet, scope: { fleets: [fleet], seesUploads: false } });
};

/** The repository's routes alone, as the server mounts them. */
export async function openOrigin(repository: ImageRepository): Promise<FastifyInstance> {
  const app = fastify();
  app.setErrorHandler(createProblemAnswer(silentLog));
  await registerTufRoutes(app, { repository, authorize });
  await registerRegistryRoutes(app, { repository, authorize });
  return app;
}

/** The routes behind a simulated fetcher: every byte goes through the real HTTP stack but the socket. */
export const originHandler =
  (app: FastifyInstance): OriginHandler =>
  async ({ method, path, headers, body }) => {
    const answer = await app.inject({
      method,
      url: path,
      headers: Object.fromEntries(headers),
      payload: Buffer.from(body),
    });
    const named = Object.entries(answer.headers).map(
      ([name, value]) => [name, String(value)] as const,
    );
    return { status: answer.statusCode, headers: new Map(named), body: answer.rawPayload };
  };
