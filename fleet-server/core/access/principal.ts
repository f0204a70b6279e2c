import type { DeviceAddress } from '../../../shared/contracts/topics.ts';
import type { FleetId } from '../../../shared/core/ids.ts';
import { type Role, roles } from '../model/access.ts';

/** Who asks: a person or machine with an API token, or a device with the token of its session. */
export type Principal = PersonPrincipal | DevicePrincipal;

export interface PersonPrincipal {
  readonly kind: 'person';
  /** The token's name; audit rows and authorship carry it. */
  readonly name: string;
  readonly role: Role;
  /** Empty: all fleets. */
  readonly fleets: readonly FleetId[];
}

export interface DevicePrincipal {
  readonly kind: 'device';
  readonly address: DeviceAddress;
}

/** Each role may do what the ones before it may. */
export const mayActAs = (principal: PersonPrincipal, role: Role): boolean =>
  roles.indexOf(principal.role) >= roles.indexOf(role);

export const seesAllFleets = (principal: PersonPrincipal): boolean => principal.fleets.length === 0;

/** A foreign fleet is not forbidden, it is not there. */
export function seesFleet(principal: Principal, fleet: string): boolean {
  if (principal.kind === 'device') return principal.address.fleet === fleet;
  return seesAllFleets(principal) || principal.fleets.some((own) => own === fleet);
}

/**
 * Whether `fleets`, with empty meaning all, lies within what the principal sees: nobody hands out more than they
 * have.
 */
export const coversFleets = (principal: PersonPrincipal, fleets: readonly FleetId[]): boolean =>
  seesAllFleets(principal) ||
  (fleets.length > 0 && fleets.every((fleet) => principal.fleets.includes(fleet)));
