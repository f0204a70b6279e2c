import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import {
  KeptBlobSchema,
  RoundPageSchema,
  RoundQuerySchema,
  RoundViewSchema,
} from '../../shared/contracts/api/round.ts';
import { ExplanationSchema } from '../../shared/contracts/explanation.ts';
import { RoundRequestSchema } from '../../shared/contracts/federation.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { isRoundId, type RoundId } from '../../shared/core/ids.ts';
import type { Round } from '../core/model/round.ts';
import type { RoundOffice } from '../runner/federation/round-office.ts';
import { operatorOfFleet, viewerOfFleet } from './access.ts';
import { personOf } from './authentication.ts';
import { Cursors } from './cursor.ts';
import { seenNumber, tagOf } from './entity-tag.ts';
import { FleetParams, HeldOutParams, IfMatchHeaders, RoundParams } from './fleet-params.ts';
import type { HttpApp } from './http-app.ts';
import { valueOf } from './problem-answer.ts';
import { showRound, showWholeRound } from './show-round.ts';

const tags = ['federation'];

interface Desks {
  readonly rounds: RoundOffice;
}

/** Federated rounds as people see them. */
export async function federationRoutes(app: HttpApp, desks: Desks): Promise<void> {
  listRoutes(app, desks);
  lookRoutes(app, desks);
  abandonRoute(app, desks);
  await app.register(async (scope: HttpApp) => heldOutRoute(scope, desks));
}

type ListKey = [createdAtMs: number, round: RoundId];
const isListKey = (value: unknown): value is ListKey =>
  Array.isArray(value) &&
  value.length === 2 &&
  Number.isSafeInteger(value[0]) &&
  typeof value[1] === 'string' &&
  isRoundId(value[1]);

function listRoutes(app: HttpApp, { rounds }: Desks): void {
  app.post(
    '/fleets/:fleet/rounds',
    {
      config: { access: operatorOfFleet },
      schema: {
        operationId: 'createRound',
        summary: 'Start a federated round; its candidate is gated, signed and rolled out in waves',
        tags,
        params: FleetParams,
        body: RoundRequestSchema,
        response: { 201: RoundViewSchema },
      },
    },
    async (request, reply) => {
      const { name } = personOf(request);
      const created = await rounds.create(name, request.params.fleet, request.body);
      reply.code(201);
      return tagged(reply, valueOf(created));
    },
  );
  app.get(
    '/fleets/:fleet/rounds',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'listRounds',
        summary: 'List federated rounds, newest first',
        tags,
        params: FleetParams,
        querystring: RoundQuerySchema,
        response: { 200: RoundPageSchema },
      },
    },
    async ({ params: { fleet }, query }) =>
      new Cursors(['rounds', fleet], isListKey).answer(query, {
        read: ({ limit, after }) => {
          const [createdAtMs, round] = after ?? [];
          const isFirst = createdAtMs === undefined || round === undefined;
          return rounds.list(fleet, {
            limit,
            ...(isFirst ? {} : { after: { createdAtMs, round } }),
          });
        },
        keyOf: ({ createdAtMs, round }): ListKey => [createdAtMs, round],
        show: showRound,
      }),
  );
}

function lookRoutes(app: HttpApp, { rounds }: Desks): void {
  app.get(
    '/fleets/:fleet/rounds/:round',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'getRound',
        summary: 'One round: its request, how many devices answered, its candidate and evidence',
        tags,
        params: RoundParams,
        response: { 200: RoundViewSchema },
      },
    },
    async ({ params: { fleet, round } }, reply) =>
      tagged(reply, valueOf(await rounds.get(fleet, round))),
  );
  app.get(
    '/fleets/:fleet/rounds/:round/explanation',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'explainRound',
        summary: 'What it waits for, or why it ended, from the decision that acts',
        tags,
        params: RoundParams,
        response: { 200: ExplanationSchema },
      },
    },
    async ({ params: { fleet, round } }) => valueOf(await rounds.explain(fleet, round)),
  );
}

function abandonRoute(app: HttpApp, { rounds }: Desks): void {
  app.post(
    '/fleets/:fleet/rounds/:round/abandon',
    {
      config: { access: operatorOfFleet },
      schema: {
        operationId: 'abandonRound',
        summary: 'Give the round up, and take its candidate back where it is rolled out',
        tags,
        params: RoundParams,
        headers: IfMatchHeaders,
        response: { 200: RoundViewSchema },
      },
    },
    async (request, reply) => {
      const order = { actor: personOf(request).name, version: seenNumber(request) };
      return tagged(reply, valueOf(await rounds.abandon(request.params, order)));
    },
  );
}

/** The body stays a stream: a set may be larger than what a request may hold in memory. */
function heldOutRoute(app: HttpApp, { rounds }: Desks): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) =>
    done(null, payload),
  );
  app.put(
    '/fleets/:fleet/held-out/:digest',
    {
      config: { access: operatorOfFleet },
      bodyLimit: limits.heldOutBytesMax,
      schema: {
        operationId: 'putHeldOut',
        summary: 'Keep labelled held-out inputs (application/octet-stream) for rounds to come',
        tags,
        params: HeldOutParams,
        response: { 201: KeptBlobSchema },
      },
    },
    async (request, reply) => {
      const { digest } = request.params;
      const { body } = request as { readonly body: unknown };
      const pieces = body instanceof Readable ? body : Readable.from([]);
      const kept = await rounds.keepHeldOut(digest, pieces as AsyncIterable<Uint8Array>);
      reply.code(201);
      return { digest, bytes: valueOf(kept) };
    },
  );
}

function tagged(reply: FastifyReply, row: Round) {
  reply.header('etag', tagOf(row.version));
  return showWholeRound(row);
}
