import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { RepositoryRefusal } from './repository-refusal.ts';

/** A file that a person or a federated round may publish. Snapshot and timestamp are the server's own work. */
export interface UploadName {
  readonly role: string;
  readonly version: number;
}

const form = /^([1-9][0-9]{0,11})\.(root|targets|federated-[a-z0-9][a-z0-9-]{1,62})\.json$/;

export function parseUploadName(name: string): Result<UploadName, RepositoryRefusal> {
  const [, version, role] = form.exec(name) ?? [];
  return version === undefined || role === undefined
    ? err({ code: 'metadata-name-refused', message: `${name.slice(0, 100)} is not published` })
    : ok({ role, version: Number(version) });
}

/** The delegated role that speaks for one fleet's federated candidates. */
export const federatedRole = (fleet: string): string => `federated-${fleet}`;

/** The fleet of a delegated role, or `undefined` for any other role. */
export const fleetOfRole = (role: string): string | undefined =>
  /^federated-([a-z0-9][a-z0-9-]{1,62})$/.exec(role)?.[1];
