import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { limits } from '../../shared/contracts/limits.ts';
import type { ImageRepository } from '../runner/image-repository.ts';
import type { Access } from './access.ts';
import { HttpProblem, valueOf } from './problem-answer.ts';
import { type AuthorizeRegistry, type RegistryCaller, tokenOf } from './registry-access.ts';

export interface RepositoryRoutes {
  readonly repository: ImageRepository;
  readonly authorize: AuthorizeRegistry;
}

/** Reading is for everybody; publishing asks the injected authorization, which knows what publishing needs. */
export const ownAccess: { readonly access: Access } = { access: { kind: 'public' } };

/** Names that exist: `timestamp.json`, `<version>.<role>.json`. Anything else is not looked up. */
const metadataName = /^(timestamp|[1-9][0-9]{0,11}\.[A-Za-z0-9_-]{1,80})\.json$/;
const targetName = /^[0-9a-f]{64}\.[a-z]{1,16}\.json$/;

/**
 * `/tuf`: signed metadata for everybody, because it proves itself and says nothing secret;
 * publishing for those who may.
 * What carries a version or a hash in its name never changes; only the timestamp does.
 */
export async function registerTufRoutes(
  app: FastifyInstance,
  routes: RepositoryRoutes,
): Promise<void> {
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    const options = { parseAs: 'buffer' as const, bodyLimit: limits.tufTargetsBytesMax };
    scope.addContentTypeParser('*', options, (_request, body, done) => done(null, body));

    const config = ownAccess;
    const { repository } = routes;
    scope.get<Named>('/tuf/:name', { config }, async ({ params: { name } }, reply) => {
      const served = metadataName.test(name) ? await repository.readMetadata(name) : undefined;
      return sendFile(reply, served, { isFixed: name !== 'timestamp.json' });
    });
    scope.get<Named>('/tuf/targets/:name', { config }, async ({ params: { name } }, reply) => {
      const path = `targets/${name}`;
      const served = targetName.test(name) ? await repository.readMetadata(path) : undefined;
      return sendFile(reply, served, { isFixed: true });
    });
    scope.put<Named>('/tuf/:name', { config }, async (request, reply) => {
      const { actor } = await publisher(request, routes);
      const upload = { name: request.params.name, bytes: bodyOf(request), actor };
      const published = valueOf(await repository.publishMetadata(upload));
      return reply.code(published.isNew ? 201 : 200).send(published);
    });
    scope.put<Named>('/tuf/targets/:name', { config }, async (request, reply) => {
      await publisher(request, routes);
      const kept = await repository.putFixedTarget(request.params.name, bodyOf(request));
      return reply.code(201).send({ digest: valueOf(kept) });
    });
  });
}

interface Named {
  readonly Params: { readonly name: string };
}

/** Throws the refusal of a caller who may not publish. */
export async function publisher(
  request: FastifyRequest,
  { authorize }: RepositoryRoutes,
): Promise<RegistryCaller> {
  return valueOf(await authorize(tokenOf(request.headers.authorization), 'publish'));
}

const bodyOf = ({ body }: FastifyRequest): Uint8Array =>
  body instanceof Uint8Array ? body : new Uint8Array(0);

function sendFile(
  reply: FastifyReply,
  bytes: Uint8Array | undefined,
  { isFixed }: { readonly isFixed: boolean },
): FastifyReply {
  if (bytes === undefined) {
    throw new HttpProblem('not-published', { detail: 'the repository has no file of this name' });
  }
  return reply
    .type('application/json')
    .header('cache-control', isFixed ? 'public, max-age=31536000, immutable' : 'no-cache')
    .send(Buffer.from(bytes));
}
