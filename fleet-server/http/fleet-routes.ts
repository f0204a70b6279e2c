import {
  FleetListSchema,
  FleetRequestSchema,
  FleetViewSchema,
} from '../../shared/contracts/api/fleet.ts';
import type { FleetDesk } from '../runner/fleet-desk.ts';
import { personOf } from './authentication.ts';
import type { HttpApp } from './http-app.ts';
import { valueOf } from './problem-answer.ts';

const tags = ['fleets'];

export async function fleetRoutes(app: HttpApp, { fleets }: { readonly fleets: FleetDesk }) {
  app.get(
    '/fleets',
    {
      config: { access: { kind: 'person', role: 'viewer', scope: 'own' } },
      schema: {
        operationId: 'listFleets',
        summary: 'List the fleets the token may see',
        tags,
        response: { 200: FleetListSchema },
      },
    },
    async (request) => ({ items: await fleets.list(personOf(request)) }),
  );
  app.post(
    '/fleets',
    {
      config: { access: { kind: 'person', role: 'admin', scope: 'server' } },
      schema: {
        operationId: 'createFleet',
        summary: 'Make a fleet',
        tags,
        body: FleetRequestSchema,
        response: { 201: FleetViewSchema },
      },
    },
    async (request, reply) => {
      const { fleet, title = '' } = request.body;
      reply.code(201);
      return valueOf(await fleets.create(personOf(request).name, { fleet, title }));
    },
  );
}
