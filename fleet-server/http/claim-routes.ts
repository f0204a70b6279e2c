import {
  ClaimListSchema,
  ClaimRequestSchema,
  type ClaimView,
  IssuedClaimSchema,
  type IssuedClaimView,
} from '../../shared/contracts/api/claim.ts';
import { printEnrolment } from '../../shared/contracts/enrolment-string.ts';
import { Type } from '../../shared/contracts/json-schema.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { Claim } from '../core/model/access.ts';
import type { ClaimDesk } from '../runner/claim-desk.ts';
import { operatorOfFleet, viewerOfFleet } from './access.ts';
import { personOf } from './authentication.ts';
import { ClaimParams, FleetParams } from './fleet-params.ts';
import type { HttpApp } from './http-app.ts';
import { HttpProblem, valueOf } from './problem-answer.ts';

export interface ClaimRoutesDeps {
  readonly claims: ClaimDesk;
  /** Where devices reach this server. */
  readonly origin: string;
  /** Digest of the first trusted root, or undefined while the repository has none. */
  readonly rootDigest: () => Promise<string | undefined>;
  readonly caDigest?: string;
}

const tags = ['claims'];

export async function claimRoutes(app: HttpApp, deps: ClaimRoutesDeps): Promise<void> {
  const { claims } = deps;
  app.post(
    '/fleets/:fleet/claims',
    {
      config: { access: operatorOfFleet, answersSecret: true },
      schema: {
        operationId: 'createClaim',
        summary: 'Make a claim; the answer alone holds it and the enrolment string',
        tags,
        params: FleetParams,
        body: ClaimRequestSchema,
        response: { 201: IssuedClaimSchema },
      },
    },
    async (request, reply): Promise<IssuedClaimView> => {
      const root = await deps.rootDigest();
      if (root === undefined) {
        const detail = 'publish a root first: devices are told which one to trust';
        throw new HttpProblem('tuf-no-root', { detail });
      }
      const { idPattern = '*', uses = 1, lifeMs = limits.claimLifeMs } = request.body;
      const { preAuthorized = false, tags: given = {} } = request.body;
      const asked = { idPattern, uses, lifeMs, preAuthorized, tags: given };
      const { name } = personOf(request);
      const { claim, record } = await claims.create(name, request.params.fleet, asked);
      reply.code(201).header('cache-control', 'no-store');
      const { origin, caDigest } = deps;
      const ca = caDigest === undefined ? {} : { ca: caDigest };
      return { claim, enrolment: printEnrolment({ origin, claim, root, ...ca }), ...show(record) };
    },
  );
  app.get(
    '/fleets/:fleet/claims',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'listClaims',
        summary: 'List claims by their hashes',
        tags,
        params: FleetParams,
        response: { 200: ClaimListSchema },
      },
    },
    async ({ params: { fleet } }) => ({ items: (await claims.list(fleet)).map(show) }),
  );
  app.delete(
    '/fleets/:fleet/claims/:claimHash',
    {
      config: { access: operatorOfFleet },
      schema: {
        operationId: 'removeClaim',
        summary: 'Take a claim back; devices that enrolled with it stay',
        tags,
        params: ClaimParams,
        response: { 204: Type.Unsafe<undefined>({ description: 'Done' }) },
      },
    },
    async (request, reply) => {
      const { fleet, claimHash } = request.params;
      valueOf(await claims.remove(personOf(request).name, fleet, claimHash));
      return reply.code(204).send(undefined);
    },
  );
}

const show = (claim: Claim): ClaimView => ({ ...claim, tags: { ...claim.tags } });
