import { utf8 } from '../../core/bytes.ts';
import { sha256, sha256Hex } from '../hash.ts';
import type { DelegatedRole, Delegations, RoleKeys, SuccinctRoles } from './metadata.ts';

export interface NamedRole extends RoleKeys {
  readonly name: string;
  readonly terminating: boolean;
}

/** The roles that may speak for a path, in order of trust (5.6.7.2). */
export function rolesForPath(delegations: Delegations, path: string): readonly NamedRole[] {
  const { succinct } = delegations;
  if (succinct !== undefined) {
    const { keyIds, threshold } = succinct;
    return [{ name: binOfPath(succinct, path), terminating: true, keyIds, threshold }];
  }
  return delegations.roles.filter((role) => isDelegatedPath(role, path));
}

function isDelegatedPath(role: DelegatedRole, path: string): boolean {
  const { by, patterns } = role.match;
  if (by === 'paths') return patterns.some((pattern) => isPathMatch(pattern, path));
  const hash = sha256Hex(utf8(path));
  return patterns.some((prefix) => hash.startsWith(prefix));
}

/** TAP 15: the leftmost `bitLength` bits of the path's SHA-256 number the bin. */
function binOfPath({ bitLength, namePrefix }: SuccinctRoles, path: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = sha256(utf8(path));
  const head = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  const digits = Math.ceil(bitLength / 4);
  return `${namePrefix}-${(head >>> (32 - bitLength)).toString(16).padStart(digits, '0')}`;
}

/** 4.5: `*` and `?` match inside one segment and never a slash; everything else is literal. */
export function isPathMatch(pattern: string, path: string): boolean {
  const patterns = pattern.split('/');
  const segments = path.split('/');
  return (
    patterns.length === segments.length &&
    segments.every((segment, i) => isSegmentMatch(patterns[i] ?? '', segment))
  );
}

/** Goes back to the last star only, so a hostile pattern costs at most length x length steps. */
function isSegmentMatch(pattern: string, text: string): boolean {
  let p = 0;
  let star = -1;
  let resume = 0;
  for (let t = 0; t < text.length; ) {
    const wanted = pattern.charAt(p);
    if (wanted === '*') {
      star = p;
      resume = t;
      p += 1;
    } else if (p < pattern.length && (wanted === '?' || wanted === text.charAt(t))) {
      p += 1;
      t += 1;
    } else if (star >= 0) {
      p = star + 1;
      resume += 1;
      t = resume;
    } else {
      return false;
    }
  }
  while (pattern.charAt(p) === '*') p += 1;
  return p === pattern.length;
}
