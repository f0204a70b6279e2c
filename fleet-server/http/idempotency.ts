import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createDecoder } from '../../shared/codec/validator.ts';
import { type Static, Type } from '../../shared/contracts/json-schema.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../shared/core/canonical-json.ts';
import { sha256Hex } from '../../shared/trust/hash.ts';
import type { IdempotencyScope } from '../ports/repositories/access-repositories.ts';
import type { IdempotencyDesk } from '../runner/idempotency-desk.ts';
import { HttpProblem, problemOf, valueOf } from './problem-answer.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set while the first request of an Idempotency-Key runs. */
    idempotent: { readonly scope: IdempotencyScope; readonly requestHash: string } | null;
  }
}

/** What is stored: the answer as it was sent, with the headers a client acts on. */
const KeptAnswerSchema = Type.Object(
  {
    type: Type.String({ maxLength: 128 }),
    etag: Type.Union([Type.Null(), Type.String({ maxLength: 128 })]),
    payload: Type.String(),
  },
  { additionalProperties: false },
);
const decodeKept = createDecoder(KeptAnswerSchema, 2 * limits.idempotentAnswerBytesMax);
const keyForm = /^[\x21-\x7e]+$/;

/** `Idempotency-Key` on every POST of the admin plane (draft-ietf-httpapi-idempotency-key-header). */
export function useIdempotency(app: FastifyInstance, desk: IdempotencyDesk): void {
  app.decorateRequest('idempotent', null);
  app.addHook('preHandler', async (request, reply) => {
    const scope = scopeOf(request);
    if (scope === undefined) return;
    const requestHash = hashOf(request);
    const kept = valueOf(await desk.begin(scope, requestHash));
    if (kept === null) {
      request.idempotent = { scope, requestHash };
      return;
    }
    const answer = decodeKept(utf8(kept.body));
    if (!answer.ok) throw new HttpProblem('store-corrupt');
    await replay(reply, kept.status, answer.value);
  });
  app.addHook('onSend', async (request, reply, payload) => {
    const { idempotent } = request;
    if (idempotent === null) return payload;
    request.idempotent = null;
    const answer = keptAnswer(request, reply, payload);
    if (answer === undefined) desk.forget(idempotent.scope);
    else {
      const { requestHash } = idempotent;
      const { status, kept } = answer;
      await desk.keep(idempotent.scope, { requestHash, status, body: canonicalJson(kept) });
    }
    return payload;
  });
}

function scopeOf(request: FastifyRequest): IdempotencyScope | undefined {
  const key = request.headers['idempotency-key'];
  const { principal, method } = request;
  if (method !== 'POST' || key === undefined || principal?.kind !== 'person') return undefined;
  const text = String(key);
  if (text.length > limits.idempotencyKeyCharsMax || !keyForm.test(text)) {
    throw new HttpProblem('schema-mismatch', {
      detail: `Idempotency-Key has 1 to ${limits.idempotencyKeyCharsMax} visible ASCII characters`,
    });
  }
  return { principal: principal.name, method, route: request.routeOptions.url ?? '', key: text };
}

function hashOf(request: FastifyRequest): string {
  const { url, headers } = request;
  const body = (request.body ?? null) as Json;
  return sha256Hex(utf8(canonicalJson({ url, body, ifMatch: headers['if-match'] ?? null })));
}

/** Failures of the server and of the moment are not repeated; of a secret only the fact that it was sent is kept. */
function keptAnswer(request: FastifyRequest, reply: FastifyReply, payload: unknown) {
  const status = reply.statusCode;
  if (status >= 500 || status === 429) return undefined;
  if (request.routeOptions.config.answersSecret === true && status < 300) {
    const problem = problemOf('answer-not-kept', { requestId: request.id });
    const kept = { type: 'application/problem+json', etag: null, payload: JSON.stringify(problem) };
    return { status: problem.status, kept };
  }
  if (typeof payload !== 'string' || payload.length > limits.idempotentAnswerBytesMax) {
    return undefined;
  }
  const etag = reply.getHeader('etag');
  const type = String(reply.getHeader('content-type') ?? 'application/json');
  return { status, kept: { type, etag: typeof etag === 'string' ? etag : null, payload } };
}

async function replay(
  reply: FastifyReply,
  status: number,
  { type, etag, payload }: Static<typeof KeptAnswerSchema>,
): Promise<void> {
  if (etag !== null) reply.header('etag', etag);
  await reply
    .code(status)
    .header('idempotency-replayed', 'true')
    .type(type)
    .serializer((text: unknown) => String(text))
    .send(payload);
}
