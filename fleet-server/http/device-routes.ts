import type { FastifyReply } from 'fastify';
import {
  DeviceExplainQuerySchema,
  DeviceExplanationSchema,
  DeviceOrderSchema,
  DevicePageSchema,
  DeviceQuerySchema,
  DeviceRowSchema,
  DeviceTagsSchema,
  DeviceViewSchema,
  FilterPreviewRequestSchema,
  FilterPreviewSchema,
  type FilterPreviewView,
} from '../../shared/contracts/api/device.ts';
import { type DeviceId, isDeviceId } from '../../shared/core/ids.ts';
import { deviceTag, standingOrders } from '../core/enrolment/decide-standing.ts';
import type { Device } from '../core/model/device.ts';
import { printFilter } from '../core/targeting/print-filter.ts';
import { readFilter } from '../runner/device-desk.ts';
import type { FrontDesks } from '../runner/front-desks.ts';
import { operatorOfFleet, viewerOfFleet } from './access.ts';
import { personOf } from './authentication.ts';
import { Cursors } from './cursor.ts';
import { seenVersion, tagOf } from './entity-tag.ts';
import { DeviceParams, FleetParams, IfMatchHeaders } from './fleet-params.ts';
import type { HttpApp } from './http-app.ts';
import { valueOf } from './problem-answer.ts';
import { showDevice, showWholeDevice } from './show-device.ts';

const tags = ['devices'];
const isKey = (value: unknown): value is DeviceId => typeof value === 'string' && isDeviceId(value);

type Desks = Pick<FrontDesks, 'devices' | 'explanations'>;

export async function deviceRoutes(app: HttpApp, desks: Desks): Promise<void> {
  readRoutes(app, desks);
  orderRoutes(app, desks);
}

function readRoutes(app: HttpApp, { devices, explanations }: Desks): void {
  app.get(
    '/fleets/:fleet/devices',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'listDevices',
        summary: 'List devices, filtered by the targeting language',
        tags,
        params: FleetParams,
        querystring: DeviceQuerySchema,
        response: { 200: DevicePageSchema },
      },
    },
    async ({ params: { fleet }, query }) => {
      const where = query.filter === undefined ? undefined : valueOf(readFilter(query.filter));
      const spelling = where === undefined ? null : printFilter(where);
      return new Cursors(['devices', fleet, spelling], isKey).answer(query, {
        read: (page) => devices.list(fleet, { where, page }),
        keyOf: (device) => device.device,
        show: showDevice,
      });
    },
  );
  app.get(
    '/fleets/:fleet/devices/:device',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'getDevice',
        summary: 'One device: what it is, what it should run, what it says it runs',
        tags,
        params: DeviceParams,
        response: { 200: DeviceViewSchema },
      },
    },
    async ({ params }, reply) => {
      const { device, apps } = valueOf(await devices.get(params));
      reply.header('etag', tagOf(deviceTag(device)));
      return showWholeDevice(device, apps);
    },
  );
  app.get(
    '/fleets/:fleet/devices/:device/explanation',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'explainDevice',
        summary: 'Why this device has, or has not, what it runs',
        tags,
        params: DeviceParams,
        querystring: DeviceExplainQuerySchema,
        response: { 200: DeviceExplanationSchema },
      },
    },
    async ({ params, query }) => {
      const apps = valueOf(await explanations.device(params, query.rollout));
      return { device: params.device, apps };
    },
  );
  app.post(
    '/fleets/:fleet/filter-previews',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'previewFilter',
        summary: 'Whom a filter means, and how it was read',
        tags,
        params: FleetParams,
        body: FilterPreviewRequestSchema,
        response: { 200: FilterPreviewSchema },
      },
    },
    async ({ params: { fleet }, body }): Promise<FilterPreviewView> => {
      const { where, count, samples } = valueOf(await devices.preview(fleet, body.filter));
      return { filter: printFilter(where), tree: where, count, samples: samples.map(showDevice) };
    },
  );
}

function orderRoutes(app: HttpApp, { devices }: Desks): void {
  app.put(
    '/fleets/:fleet/devices/:device/tags',
    {
      config: { access: operatorOfFleet },
      schema: {
        operationId: 'setDeviceTags',
        summary: 'Replace all tags of a device',
        tags,
        params: DeviceParams,
        headers: IfMatchHeaders,
        body: DeviceTagsSchema,
        response: { 200: DeviceRowSchema },
      },
    },
    async (request, reply) => {
      const order = { by: personOf(request).name, seen: seenVersion(request) };
      const { tags: wanted } = request.body;
      return changed(
        reply,
        valueOf(await devices.setTags(request.params, { ...order, tags: wanted })),
      );
    },
  );
  for (const order of standingOrders) {
    app.post(
      `/fleets/:fleet/devices/:device/${order}`,
      {
        config: { access: operatorOfFleet },
        schema: {
          operationId: `${order}Device`,
          summary: summaries[order],
          tags,
          params: DeviceParams,
          headers: IfMatchHeaders,
          body: DeviceOrderSchema,
          response: { 200: DeviceRowSchema },
        },
      },
      async (request, reply) => {
        const { name: by } = personOf(request);
        const seen = seenVersion(request);
        const { why = '' } = request.body;
        const done = await devices.stand(request.params, { order, why, by, seen });
        return changed(reply, valueOf(done));
      },
    );
  }
}

const summaries = {
  accept: 'Let a pending or rejected device in, under the key that was seen',
  reject: 'Refuse a pending device',
  decommission: 'End a device: its session is cut, its tokens open nothing any more',
} as const;

function changed(reply: FastifyReply, device: Device) {
  reply.header('etag', tagOf(deviceTag(device)));
  return showDevice(device);
}
