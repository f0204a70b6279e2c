import {
  AuditHeadAnswerSchema,
  AuditPageSchema,
  AuditQuerySchema,
  type AuditRowView,
} from '../../shared/contracts/api/audit.ts';
import type { AuditRow } from '../core/model/audit-row.ts';
import type { AuditDesk } from '../runner/audit-desk.ts';
import { type Access, viewerOfFleet } from './access.ts';
import { Cursors } from './cursor.ts';
import { FleetParams } from './fleet-params.ts';
import type { HttpApp } from './http-app.ts';

const tags = ['audit'];
const isNumber = (value: unknown): value is number => Number.isSafeInteger(value);
/** The chain runs over all fleets, so who verifies it must be allowed to see them all. */
const server: Access = { kind: 'person', role: 'viewer', scope: 'server' };

export async function auditRoutes(app: HttpApp, { audit }: { readonly audit: AuditDesk }) {
  app.get(
    '/audit',
    {
      config: { access: server },
      schema: {
        operationId: 'listAuditChain',
        summary: 'The whole chain, row by row: what a verifier reads',
        tags,
        querystring: AuditQuerySchema,
        response: { 200: AuditPageSchema },
      },
    },
    async ({ query }) =>
      new Cursors(['audit'], isNumber).answer(query, {
        read: (page) => audit.listAll(page),
        keyOf: (row) => row.number,
        show,
      }),
  );
  app.get(
    '/audit/head',
    {
      config: { access: server },
      schema: {
        operationId: 'getAuditHead',
        summary: 'Size and hash of the chain now',
        tags,
        response: { 200: AuditHeadAnswerSchema },
      },
    },
    async () => ({ head: await audit.head() }),
  );
  app.get(
    '/fleets/:fleet/audit',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'listFleetAudit',
        summary: "The fleet's own rows of the chain",
        tags,
        params: FleetParams,
        querystring: AuditQuerySchema,
        response: { 200: AuditPageSchema },
      },
    },
    async ({ params: { fleet }, query }) =>
      new Cursors(['audit', fleet], isNumber).answer(query, {
        read: (page) => audit.list(fleet, page),
        keyOf: (row) => row.number,
        show,
      }),
  );
}

const show = (row: AuditRow): AuditRowView => ({ ...row });
