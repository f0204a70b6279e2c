import {
  AuditHeadAnswerSchema,
  AuditPageSchema,
  AuditQuerySchema,
  type AuditRowView,
  type WitnessedHeadView,
  WitnessPageSchema,
} from '../../shared/contracts/api/audit.ts';
import type { AuditRow } from '../core/model/audit-row.ts';
import type { HeadKey, WitnessedHead } from '../core/model/audit-witness.ts';
import type { AuditDesk } from '../runner/audit-desk.ts';
import { type Access, viewerOfFleet } from './access.ts';
import { Cursors } from './cursor.ts';
import { FleetParams } from './fleet-params.ts';
import type { HttpApp } from './http-app.ts';

const tags = ['audit'];
const isHeadKey = (value: unknown): value is HeadKey =>
  typeof value === 'object' &&
  value !== null &&
  'size' in value &&
  isNumber(value.size) &&
  'hash' in value &&
  typeof value.hash === 'string';
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
        summary: 'Size and hash of the chain now, and the same signed by the audit key',
        tags,
        response: { 200: AuditHeadAnswerSchema },
      },
    },
    async () => ({ ...(await audit.signedHead()) }),
  );
  app.get(
    '/audit/witnesses',
    {
      config: { access: server },
      schema: {
        operationId: 'listAuditWitnesses',
        summary:
          'Heads of the chain that devices have returned, each once: what a verifier holds the chain against',
        tags,
        querystring: AuditQuerySchema,
        response: { 200: WitnessPageSchema },
      },
    },
    async ({ query }) =>
      new Cursors(['audit-witnesses'], isHeadKey).answer(query, {
        read: (page) => audit.listWitnesses(page),
        keyOf: ({ size, hash }) => ({ size, hash }),
        show: showWitness,
      }),
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

const showWitness = ({ size, hash, atMs, ...rest }: WitnessedHead): WitnessedHeadView => ({
  head: { size, hash, atMs },
  ...rest,
});
