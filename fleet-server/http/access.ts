import type { Principal } from '../core/access/principal.ts';
import type { Role } from '../core/model/access.ts';

/**
 * Who may use a route; every route declares it in its `config`, and one that does not is refused at start.
 * `fleet` routes carry `:fleet` in their path; `server` routes need a token that sees all fleets; `own` routes look at
 * the token's fleets themselves.
 */
export type Access =
  | { readonly kind: 'public' }
  | { readonly kind: 'person'; readonly role: Role; readonly scope: 'fleet' | 'server' | 'own' }
  /** A device with the token of its session; nobody else. */
  | { readonly kind: 'device' }
  /** Downloads and uploads: a device, or a person of that role. The route judges the content by the principal. */
  | { readonly kind: 'device-or-person'; readonly role: Role };

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly access?: Access;
    /** The answer holds a secret: it is not remembered under an Idempotency-Key. */
    readonly answersSecret?: boolean;
  }
  interface FastifyRequest {
    /** Null on public routes only. */
    principal: Principal | null;
  }
}

export const viewerOfFleet: Access = { kind: 'person', role: 'viewer', scope: 'fleet' };
export const operatorOfFleet: Access = { kind: 'person', role: 'operator', scope: 'fleet' };
export const approverOfFleet: Access = { kind: 'person', role: 'approver', scope: 'fleet' };
