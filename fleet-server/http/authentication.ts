import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { DeviceAddress } from '../../shared/contracts/topics.ts';
import { isFleetId } from '../../shared/core/ids.ts';
import {
  mayActAs,
  type PersonPrincipal,
  type Principal,
  seesAllFleets,
  seesFleet,
} from '../core/access/principal.ts';
import type { FleetDesk } from '../runner/fleet-desk.ts';
import type { TokenDesk } from '../runner/token-desk.ts';
import type { Access } from './access.ts';
import { HttpProblem } from './problem-answer.ts';
import type { FailureLimit } from './rate-limit.ts';
import { tokenOf } from './registry-access.ts';

export interface AuthenticationDeps {
  readonly access: TokenDesk;
  readonly fleets: FleetDesk;
  readonly failures: FailureLimit;
}

/**
 * Default deny: a route without a declared access does not start. The order of refusals gives nothing away: no or a bad
 * token is 401, a fleet the token may not see is 404 like one that does not exist, only then a low role is 403.
 */
export function useAuthentication(app: FastifyInstance, deps: AuthenticationDeps): void {
  app.decorateRequest('principal', null);
  app.addHook('onRoute', (route) => {
    const access = route.config?.access;
    if (access === undefined) {
      throw new Error(`${String(route.method)} ${route.url} declares no access`);
    }
    const isFleetRoute = access.kind === 'person' && access.scope === 'fleet';
    if (isFleetRoute !== route.url.includes('/:fleet') && access.kind === 'person') {
      throw new Error(
        `${route.url}: a route has :fleet in its path exactly when its scope is fleet`,
      );
    }
  });
  app.addHook('onRequest', async (request) => {
    const access = request.routeOptions.config.access;
    if (access === undefined || access.kind === 'public') return;
    const principal = await authenticate(request, deps);
    await authorize(request, { access, principal, fleets: deps.fleets });
    request.principal = principal;
  });
}

/** The person behind a request of a route that asks for one. */
export function personOf(request: FastifyRequest): PersonPrincipal {
  const { principal } = request;
  if (principal?.kind === 'person') return principal;
  throw new HttpProblem('role-insufficient', { detail: 'devices have no part in this' });
}

/** The device behind a request of a route that is for devices. */
export function deviceOf(request: FastifyRequest): DeviceAddress {
  const { principal } = request;
  if (principal?.kind === 'device') return principal.address;
  throw new HttpProblem('role-insufficient', { detail: 'only devices have a part in this' });
}

/** The rights of a long answer, looked at again: the token must still be good for the same route. */
export async function isStillAllowed(
  request: FastifyRequest,
  deps: Pick<AuthenticationDeps, 'access' | 'fleets'>,
): Promise<boolean> {
  const access = request.routeOptions.config.access;
  const token = tokenOf(request.headers.authorization);
  if (access === undefined || token === undefined) return false;
  const checked = await deps.access.check(token);
  if (!checked.ok) return false;
  try {
    await authorize(request, { access, principal: checked.value, fleets: deps.fleets });
    return true;
  } catch (error) {
    if (error instanceof HttpProblem) return false;
    throw error;
  }
}

async function authenticate(request: FastifyRequest, deps: AuthenticationDeps): Promise<Principal> {
  const token = tokenOf(request.headers.authorization);
  const challenge = { headers: { 'www-authenticate': 'Bearer realm="skein"' } };
  if (token === undefined) {
    await deps.failures.count(request);
    throw new HttpProblem('token-missing', challenge);
  }
  const checked = await deps.access.check(token);
  if (checked.ok) return checked.value;
  await deps.failures.count(request);
  throw new HttpProblem(checked.error.code, { detail: checked.error.message, ...challenge });
}

async function authorize(
  request: FastifyRequest,
  asked: {
    readonly access: Access;
    readonly principal: Principal;
    readonly fleets: FleetDesk;
  },
): Promise<void> {
  const { access, principal, fleets } = asked;
  if (access.kind === 'public') return;
  if (access.kind === 'person' && access.scope === 'fleet') {
    const { fleet = '' } = request.params as { readonly fleet?: string };
    const isThere = isFleetId(fleet) && seesFleet(principal, fleet) && (await fleets.exists(fleet));
    if (!isThere) throw new HttpProblem('not-found', { detail: `there is no fleet ${fleet}` });
  }
  if (principal.kind === 'device') {
    if (access.kind !== 'person') return;
    throw new HttpProblem('role-insufficient', { detail: 'devices have no part in this' });
  }
  if (access.kind === 'device') {
    throw new HttpProblem('role-insufficient', { detail: 'only devices have a part in this' });
  }
  if (!mayActAs(principal, access.role)) {
    throw new HttpProblem('role-insufficient', { detail: `needs the role ${access.role}` });
  }
  if (access.kind === 'person' && access.scope === 'server' && !seesAllFleets(principal)) {
    throw new HttpProblem('role-insufficient', { detail: 'needs a token that sees all fleets' });
  }
}
