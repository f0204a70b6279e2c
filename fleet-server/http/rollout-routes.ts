import type { FastifyReply, FastifyRequest } from 'fastify';
import { pageQueryOf } from '../../shared/contracts/api/page.ts';
import {
  RolloutApprovalSchema,
  RolloutEventPageSchema,
  RolloutOrderSchema,
  RolloutPageSchema,
  RolloutQuerySchema,
  RolloutViewSchema,
} from '../../shared/contracts/api/rollout.ts';
import { ExplanationSchema } from '../../shared/contracts/explanation.ts';
import { RolloutRequestSchema } from '../../shared/contracts/rollout.ts';
import type { FleetId, RolloutId } from '../../shared/core/ids.ts';
import { isRolloutId } from '../../shared/core/ids.ts';
import type { FrontDesks } from '../runner/front-desks.ts';
import type { PersonOrder } from '../runner/rollout/rollout-desk.ts';
import type { CountedRollout } from '../runner/rollout-office.ts';
import { approverOfFleet, operatorOfFleet, viewerOfFleet } from './access.ts';
import { personOf } from './authentication.ts';
import { Cursors } from './cursor.ts';
import { seenNumber, tagOf } from './entity-tag.ts';
import { FleetParams, IfMatchHeaders, RolloutParams } from './fleet-params.ts';
import type { HttpApp } from './http-app.ts';
import { valueOf } from './problem-answer.ts';
import { showRollout, showRolloutEvent, showWholeRollout } from './show-rollout.ts';

const tags = ['rollouts'];
type Desks = Pick<FrontDesks, 'rollouts' | 'explanations'>;

export async function rolloutRoutes(app: HttpApp, desks: Desks): Promise<void> {
  listRoutes(app, desks);
  lookRoutes(app, desks);
  orderRoutes(app, desks);
}

type ListKey = [createdAtMs: number, rollout: RolloutId];
const isListKey = (value: unknown): value is ListKey =>
  Array.isArray(value) &&
  value.length === 2 &&
  Number.isSafeInteger(value[0]) &&
  typeof value[1] === 'string' &&
  isRolloutId(value[1]);
const isNumber = (value: unknown): value is number => Number.isSafeInteger(value);

function listRoutes(app: HttpApp, { rollouts }: Desks): void {
  app.post(
    '/fleets/:fleet/rollouts',
    {
      config: { access: operatorOfFleet },
      schema: {
        operationId: 'createRollout',
        summary: 'Draft a rollout; nothing moves before it is submitted',
        tags,
        params: FleetParams,
        body: RolloutRequestSchema,
        response: { 201: RolloutViewSchema },
      },
    },
    async (request, reply) => {
      const { fleet } = request.params;
      const created = await rollouts.create(personOf(request).name, fleet, request.body);
      reply.code(201);
      return tagged(reply, valueOf(created));
    },
  );
  app.put(
    '/fleets/:fleet/rollouts/:rollout',
    {
      config: { access: operatorOfFleet },
      schema: {
        operationId: 'editRollout',
        summary: 'Write the plan of your own draft anew; what an approver was shown is void',
        tags,
        params: RolloutParams,
        headers: IfMatchHeaders,
        body: RolloutRequestSchema,
        response: { 200: RolloutViewSchema },
      },
    },
    async (request, reply) => {
      const edit = { request: request.body, version: seenNumber(request) };
      const { name } = personOf(request);
      return tagged(reply, valueOf(await rollouts.edit(name, request.params, edit)));
    },
  );
  app.get(
    '/fleets/:fleet/rollouts',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'listRollouts',
        summary: 'List rollouts, newest first',
        tags,
        params: FleetParams,
        querystring: RolloutQuerySchema,
        response: { 200: RolloutPageSchema },
      },
    },
    async ({ params: { fleet }, query }) => {
      const { status, app: ofApp } = query;
      const asked = {
        ...(status === undefined ? {} : { statuses: [status] }),
        ...(ofApp === undefined ? {} : { app: ofApp }),
      };
      const cursors = new Cursors(['rollouts', fleet, status ?? null, ofApp ?? null], isListKey);
      return cursors.answer(query, {
        read: ({ limit, after }) =>
          rollouts.list(fleet, {
            ...asked,
            page: { limit, ...(after && { after: keyOf(after) }) },
          }),
        keyOf: ({ createdAtMs, rollout }): ListKey => [createdAtMs, rollout],
        show: showRollout,
      });
    },
  );
}

const keyOf = ([createdAtMs, rollout]: ListKey) => ({ createdAtMs, rollout });

function lookRoutes(app: HttpApp, { rollouts, explanations }: Desks): void {
  app.get(
    '/fleets/:fleet/rollouts/:rollout',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'getRollout',
        summary: 'One rollout: its plan, where it stands, and its devices by wave',
        tags,
        params: RolloutParams,
        response: { 200: RolloutViewSchema },
      },
    },
    async ({ params: { fleet, rollout } }, reply) =>
      tagged(reply, valueOf(await rollouts.get(fleet, rollout))),
  );
  app.get(
    '/fleets/:fleet/rollouts/:rollout/explanation',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'explainRollout',
        summary: 'Why it stands where it stands, from the decision that acts',
        tags,
        params: RolloutParams,
        response: { 200: ExplanationSchema },
      },
    },
    async ({ params: { fleet, rollout } }) => valueOf(await explanations.rollout(fleet, rollout)),
  );
  app.get(
    '/fleets/:fleet/rollouts/:rollout/events',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'listRolloutEvents',
        summary: 'What happened to it: who, when, why, and the numbers',
        tags,
        params: RolloutParams,
        querystring: pageQueryOf({}),
        response: { 200: RolloutEventPageSchema },
      },
    },
    async ({ params: { fleet, rollout }, query }) =>
      new Cursors(['rollout-events', fleet, rollout], isNumber).answer(query, {
        read: async (page) => valueOf(await rollouts.listEvents(fleet, rollout, page)),
        keyOf: (event) => event.number,
        show: showRolloutEvent,
      }),
  );
}

/** Orders that a person gives with a reason. */
const orders = {
  submit: ['submitted', 'Start it, or send it to an approver'],
  deny: ['denied', 'Send it back to its author'],
  pause: ['paused', 'Offer nothing more; what was offered goes on'],
  resume: ['resumed', 'Go on where it was paused'],
  promote: ['promoted', 'Go on to the next wave without waiting for the verdict'],
  abort: ['aborted', 'Bring every exposed device back to what it ran before'],
  retry: ['retried', 'Let devices try again that failed'],
} as const;

function orderRoutes(app: HttpApp, { rollouts }: Desks): void {
  const give = async (request: OrderRequest, reply: FastifyReply, event: PersonOrder) => {
    const done = await rollouts.order(request.params, { event, version: seenNumber(request) });
    return tagged(reply, valueOf(done));
  };
  for (const [order, [type, summary]] of Object.entries(orders)) {
    const access = order === 'deny' ? approverOfFleet : operatorOfFleet;
    app.post(
      `/fleets/:fleet/rollouts/:rollout/${order}`,
      {
        config: { access },
        schema: {
          operationId: `${order}Rollout`,
          summary,
          tags,
          params: RolloutParams,
          headers: IfMatchHeaders,
          body: RolloutOrderSchema,
          response: { 200: RolloutViewSchema },
        },
      },
      async (request, reply) => {
        const by = { kind: 'person' as const, name: personOf(request).name };
        const { why = '' } = request.body;
        return give(request, reply, type === 'submitted' ? { type, by } : { type, by, why });
      },
    );
  }
  app.post(
    '/fleets/:fleet/rollouts/:rollout/approve',
    {
      config: { access: approverOfFleet },
      schema: {
        operationId: 'approveRollout',
        summary: 'Approve exactly what was shown: bundle digest, policy hash and target',
        tags,
        params: RolloutParams,
        headers: IfMatchHeaders,
        body: RolloutApprovalSchema,
        response: { 200: RolloutViewSchema },
      },
    },
    async (request, reply) => {
      const by = { kind: 'person' as const, name: personOf(request).name };
      return give(request, reply, { type: 'approved', by, binding: request.body.binding });
    },
  );
}

type OrderRequest = Pick<FastifyRequest, 'headers'> &
  FastifyRequest & { readonly params: { readonly fleet: FleetId; readonly rollout: RolloutId } };

function tagged(reply: FastifyReply, counted: CountedRollout) {
  reply.header('etag', tagOf(counted.rollout.version));
  return showWholeRollout(counted);
}
