import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  EventPageSchema,
  EventQuerySchema,
  type EventView,
} from '../../shared/contracts/api/event.ts';
import { errorCodes } from '../../shared/contracts/error-codes.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { FleetEvent } from '../core/model/fleet-event.ts';
import type { EventStream, StreamPart } from '../runner/event-stream.ts';
import type { FleetDesk } from '../runner/fleet-desk.ts';
import type { TokenDesk } from '../runner/token-desk.ts';
import { viewerOfFleet } from './access.ts';
import { isStillAllowed } from './authentication.ts';
import { Cursors } from './cursor.ts';
import { FleetParams } from './fleet-params.ts';
import type { HttpApp } from './http-app.ts';
import { HttpProblem, valueOf } from './problem-answer.ts';

export interface EventRoutesDeps {
  readonly events: EventStream;
  readonly access: TokenDesk;
  readonly fleets: FleetDesk;
  /** Aborts when the server drains: streams end, and clients come back to the next process. */
  readonly closing: AbortSignal;
}

const tags = ['events'];
const isNumber = (value: unknown): value is number => Number.isSafeInteger(value);

export async function eventRoutes(app: HttpApp, deps: EventRoutesDeps): Promise<void> {
  const { events } = deps;
  app.get(
    '/fleets/:fleet/events',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'listEvents',
        summary: 'Events, oldest first',
        tags,
        params: FleetParams,
        querystring: EventQuerySchema,
        response: { 200: EventPageSchema },
      },
    },
    async ({ params: { fleet }, query }) =>
      new Cursors(['events', fleet], isNumber).answer(query, {
        read: (page) => events.list(fleet, page),
        keyOf: (event) => event.id,
        show,
      }),
  );
  app.get(
    '/fleets/:fleet/events/stream',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'streamEvents',
        summary: 'Events as they happen (server-sent events); Last-Event-ID resumes',
        tags,
        params: FleetParams,
        produces: ['text/event-stream'],
        response: {
          200: {
            description: 'Server-sent events',
            content: { 'text/event-stream': { schema: { type: 'string' } } },
          },
        },
      },
    },
    async (request, reply) => {
      const ended = new AbortController();
      const signal = AbortSignal.any([ended.signal, deps.closing]);
      request.raw.once('close', () => ended.abort());
      const after = lastEventId(request);
      const { parts } = valueOf(events.follow(request.params.fleet, { after, signal }));
      await send(reply, parts, () => isStillAllowed(request, deps));
    },
  );
}

/** Sends parts until they end, the reader is too slow, or its rights are gone. */
async function send(
  reply: FastifyReply,
  parts: AsyncIterable<StreamPart>,
  isAllowed: () => Promise<boolean>,
): Promise<void> {
  reply.header('content-type', 'text/event-stream; charset=utf-8');
  reply.header('cache-control', 'no-store').header('x-accel-buffering', 'no');
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, reply.getHeaders() as Record<string, string>);
  raw.write(': open\n\n');
  for await (const part of parts) {
    if (part.kind === 'heartbeat' && !(await isAllowed())) break;
    if (raw.destroyed || raw.writableLength > limits.eventUnsentBytesMax) break;
    raw.write(textOf(part));
  }
  raw.end();
}

function textOf(part: StreamPart): string {
  switch (part.kind) {
    case 'heartbeat':
      return ': still here\n\n';
    case 'gap':
      return `event: gap\ndata: ${JSON.stringify(missed(part.oldest))}\n\n`;
    case 'events':
      return part.events.map(eventText).join('');
  }
}

const missed = (oldest: number) => ({
  code: 'events-missed',
  title: errorCodes['events-missed'].sentence,
  oldest,
});

/** JSON has no raw line feed, so one `data` line holds it. */
const eventText = (event: FleetEvent): string =>
  `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(show(event))}\n\n`;

const show = (event: FleetEvent): EventView => ({ ...event });

function lastEventId(request: FastifyRequest): number | undefined {
  const header = request.headers['last-event-id'];
  if (header === undefined) return undefined;
  if (typeof header === 'string' && /^[0-9]{1,15}$/.test(header)) return Number(header);
  throw new HttpProblem('schema-mismatch', { detail: 'Last-Event-ID is the id of an event' });
}
