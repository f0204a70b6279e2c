import type { FastifyReply } from 'fastify';
import { createDecoder } from '../../shared/codec/validator.ts';
import {
  ChallengeRequestSchema,
  ChallengeSchema,
  EnrolmentAnswerSchema,
  SessionGrantSchema,
} from '../../shared/contracts/enrolment.ts';
import { DsseEnvelopeSchema } from '../../shared/contracts/frame.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { SessionDesk } from '../runner/session-desk.ts';
import type { Access } from './access.ts';
import type { HttpApp } from './http-app.ts';
import { valueOf } from './problem-answer.ts';
import { useRawBodies } from './strict-schemas.ts';

const access: Access = { kind: 'public' };
const decodeAddress = createDecoder(ChallengeRequestSchema, limits.deviceRequestBytesMax);

/**
 * Where devices come from: no token, because what they send is signed and bound to a nonce. Bodies are handed on as
 * the bytes that came, since the signature covers those.
 */
export async function devicePlane(app: HttpApp, { sessions }: { readonly sessions: SessionDesk }) {
  useRawBodies(app);
  const options = {
    config: { access },
    bodyLimit: limits.deviceRequestBytesMax,
    // The desk judges the bytes; the schema documents them.
    validatorCompiler: () => () => true,
  };
  app.post(
    '/challenges',
    {
      ...options,
      schema: {
        operationId: 'createChallenge',
        summary: 'Ask for a nonce',
        tags: ['device plane'],
        body: ChallengeRequestSchema,
        response: { 200: ChallengeSchema },
      },
    },
    async (request, reply) => {
      const address = valueOf(decodeAddress(bytesOf(request.body)));
      return private_(reply, valueOf(await sessions.challenge(address)));
    },
  );
  app.post(
    '/enrolments',
    {
      ...options,
      schema: {
        operationId: 'enrolDevice',
        summary: 'Enrol with a claim; the envelope is signed by the key it brings',
        tags: ['device plane'],
        body: DsseEnvelopeSchema,
        response: { 200: EnrolmentAnswerSchema },
      },
    },
    async (request, reply) => private_(reply, valueOf(await sessions.enrol(bytesOf(request.body)))),
  );
  app.post(
    '/sessions',
    {
      ...options,
      schema: {
        operationId: 'openSession',
        summary: 'Log in with a signed assertion over a nonce',
        tags: ['device plane'],
        body: DsseEnvelopeSchema,
        response: { 200: SessionGrantSchema },
      },
    },
    async (request, reply) => private_(reply, valueOf(await sessions.login(bytesOf(request.body)))),
  );
}

const bytesOf = (body: unknown): Uint8Array =>
  body instanceof Uint8Array ? body : new Uint8Array();

/** Grants and nonces are nobody else's, so no cache between keeps them. */
function private_<T>(reply: FastifyReply, value: T): T {
  reply.header('cache-control', 'no-store');
  return value;
}
