import { bytesOfHex } from '../../shared/core/bytes.ts';
import { type Root, type TopLevelRole, topLevelRoles } from '../../shared/trust/tuf/metadata.ts';
import { fingerprint, keyIdOf } from './root-proposal.ts';

/**
 * What one root says that the one before did not: `[subject, change]`, for the eyes of who signs it. Keys are compared
 * by what they are: a key id is only a name, and a proposal may put another key under an old one.
 */
export function differencesOfRoots(
  before: Root | undefined,
  after: Root,
): readonly (readonly [string, string])[] {
  const rows: (readonly [string, string])[] = [];
  for (const role of topLevelRoles) {
    const [had, has] = [keysOf(before, role), keysOf(after, role)];
    for (const key of has) if (!had.includes(key)) rows.push([`${role} gains`, shown(key)]);
    for (const key of had) if (!has.includes(key)) rows.push([`${role} loses`, shown(key)]);
    const [from, to] = [needs(before, role), needs(after, role)];
    if (from !== to) rows.push([`${role} needs`, `${from} -> ${to}`]);
  }
  rows.push(['expires', `${dayOf(before)} -> ${dayOf(after)}`]);
  return rows;
}

/** Public keys as they stand in the file. */
const keysOf = (root: Root | undefined, role: TopLevelRole): readonly string[] =>
  (root?.roles.get(role)?.keyIds ?? []).map(
    (keyId) => root?.keys.get(keyId)?.publicKey ?? `nothing under ${keyId}`,
  );

function shown(publicKey: string): string {
  const bytes = bytesOfHex(publicKey);
  if (bytes?.length !== 32) return `a key of another kind: ${publicKey}`;
  return `${fingerprint(bytes)} (key id ${keyIdOf(bytes)})`;
}

const needs = (root: Root | undefined, role: TopLevelRole): string =>
  root === undefined
    ? '-'
    : `${root.roles.get(role)?.threshold ?? 0} of ${keysOf(root, role).length}`;

const dayOf = (root: Root | undefined): string =>
  root === undefined ? '-' : new Date(root.expiresAtMs).toISOString();
