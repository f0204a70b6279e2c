import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { errorCodes } from '../../shared/contracts/error-codes.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { mediaTypes } from '../../shared/contracts/oci-manifest.ts';
import { isAppName, isDigest } from '../../shared/core/ids.ts';
import { parseByteRange } from './byte-range.ts';
import { HttpProblem, valueOf } from './problem-answer.ts';
import { type RegistryCaller, tokenOf } from './registry-access.ts';
import { ownAccess, publisher, type RepositoryRoutes } from './tuf-routes.ts';

type Named = FastifyRequest<{ Params: { name: string; reference: string } }>;

const reading: ('GET' | 'HEAD')[] = ['GET', 'HEAD'];

/**
 * `/v2`: the pull side of the OCI distribution API (v1.1), so that any OCI client fetches a bundle; and one `PUT` by
 * which a publisher brings a blob. Failures have the registry's own form, because OCI clients read that.
 */
export async function registerRegistryRoutes(
  app: FastifyInstance,
  routes: RepositoryRoutes,
): Promise<void> {
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // The body stays a stream: a blob may be larger than memory.
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    const get = (
      url: string,
      answer: (request: Named, reply: FastifyReply, caller: RegistryCaller) => Promise<unknown>,
    ): void => {
      scope.route<{ Params: { name: string; reference: string } }>({
        method: reading,
        url,
        config: ownAccess,
        handler: async (request, reply) => {
          reply.header('docker-distribution-api-version', 'registry/2.0');
          const token = tokenOf(request.headers.authorization);
          const caller = await routes.authorize(token, 'read');
          if (!caller.ok) return refuseCaller(reply, caller.error);
          return answer(request, reply, caller.value);
        },
      });
    };
    get('/v2/', async (_request, reply) => reply.send({}));
    get('/v2/:name/tags/list', async (request, reply, caller) => {
      const { name } = request.params;
      const tags = await routes.repository.registry.listVersions(caller.scope, name);
      return tags.length === 0 ? refuseName(reply) : reply.send({ name, tags });
    });
    get('/v2/:name/manifests/:reference', (request, reply, caller) =>
      sendManifest(routes, request, { reply, caller }),
    );
    get('/v2/:name/blobs/:reference', (request, reply, caller) =>
      sendBlob(routes, request, { reply, caller }),
    );
    scope.put<{ Params: { name: string; reference: string } }>(
      '/v2/:name/blobs/:reference',
      { config: ownAccess, bodyLimit: limits.uploadBytesMax },
      (request, reply) => takeBlob(routes, request, reply),
    );
  });
}

interface Answer {
  readonly reply: FastifyReply;
  readonly caller: RegistryCaller;
}

async function sendManifest(
  { repository }: RepositoryRoutes,
  request: Named,
  { reply, caller }: Answer,
): Promise<FastifyReply> {
  const manifest = await repository.registry.readManifest(caller.scope, request.params);
  if (manifest === undefined) return refuseUnknown(reply, 'MANIFEST_UNKNOWN');
  const { digest, bytes } = manifest;
  reply
    .type(mediaTypes.manifest)
    .header('docker-content-digest', digest)
    .header('content-length', bytes.length)
    .header('etag', `"${digest}"`);
  return reply.send(request.method === 'HEAD' ? undefined : Buffer.from(bytes));
}

async function sendBlob(
  { repository }: RepositoryRoutes,
  request: Named,
  { reply, caller }: Answer,
): Promise<FastifyReply> {
  const { reference } = request.params;
  const size = isDigest(reference)
    ? await repository.registry.blobSize(caller.scope, reference)
    : undefined;
  if (!isDigest(reference) || size === undefined) return refuseUnknown(reply, 'BLOB_UNKNOWN');
  reply
    .type('application/octet-stream')
    .header('docker-content-digest', reference)
    .header('accept-ranges', 'bytes')
    .header('cache-control', 'private, max-age=31536000, immutable');
  if (request.method === 'HEAD') return reply.header('content-length', size).send();
  const range = parseByteRange(request.headers.range, size);
  if (range.kind === 'unsatisfiable') {
    reply.header('content-range', `bytes */${size}`);
    return refuseOci(reply, 416, 'SIZE_INVALID');
  }
  const part = range.kind === 'part' ? range : { from: 0, length: size };
  const body = await repository.registry.readBlob(caller.scope, reference, part);
  if (body === undefined) return refuseUnknown(reply, 'BLOB_UNKNOWN');
  if (range.kind === 'part') {
    const last = part.from + part.length - 1;
    reply.code(206).header('content-range', `bytes ${part.from}-${last}/${size}`);
  }
  return reply.header('content-length', part.length).send(Readable.from(body));
}

/** A blob of a bundle to come, under the name it will be read by. */
async function takeBlob(
  routes: RepositoryRoutes,
  request: Named,
  reply: FastifyReply,
): Promise<FastifyReply> {
  await publisher(request, routes);
  const { name, reference } = request.params;
  if (!isAppName(name) || !isDigest(reference)) {
    const detail = 'a blob is put as /v2/<name>/blobs/sha256:<hex>';
    throw new HttpProblem('upload-digest-mismatch', { detail });
  }
  const body = request.body instanceof Readable ? request.body : Readable.from([]);
  const put = await routes.repository.putBlob(reference, body as AsyncIterable<Uint8Array>);
  const bytes = valueOf(put);
  return reply.code(201).header('docker-content-digest', reference).send({ bytes });
}

function refuseCaller(
  reply: FastifyReply,
  { code, message }: { readonly code: keyof typeof errorCodes; readonly message: string },
): FastifyReply {
  const { status } = errorCodes[code];
  if (status === 401) reply.header('www-authenticate', 'Basic realm="skein"');
  return reply.code(status).send({
    errors: [{ code: status === 401 ? 'UNAUTHORIZED' : 'DENIED', message, detail: { code } }],
  });
}

type OciCode = 'NAME_UNKNOWN' | 'MANIFEST_UNKNOWN' | 'BLOB_UNKNOWN' | 'SIZE_INVALID';

const refuseName = (reply: FastifyReply): FastifyReply => refuseUnknown(reply, 'NAME_UNKNOWN');

/** What the caller may not read and what is not here look the same. */
const refuseUnknown = (reply: FastifyReply, code: OciCode): FastifyReply =>
  refuseOci(reply, errorCodes['not-published'].status, code);

function refuseOci(reply: FastifyReply, status: number, code: OciCode): FastifyReply {
  const ours = code === 'SIZE_INVALID' ? 'range-not-satisfiable' : 'not-published';
  const message = errorCodes[ours].sentence;
  const errors = [{ code, message, detail: { code: ours } }];
  return reply.code(status).type('application/json').send({ errors });
}
