import type { TargetCustom } from '../../shared/contracts/bundle-config.ts';
import type { Json } from '../../shared/core/canonical-json.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import { isJsonObject, type JsonObject } from '../../shared/trust/strict-json.ts';
import {
  type DelegationGrant,
  delegationsJson,
  nextBody,
  targetsJson,
} from '../../shared/trust/tuf/repository.ts';

/** What one signature shall change, and nothing else. */
export interface TargetsChange {
  readonly releases: readonly {
    readonly path: string;
    readonly manifest: Uint8Array;
    readonly digest: Digest;
    readonly custom: TargetCustom;
  }[];
  /** Paths whose status becomes `retired`. */
  readonly retire: readonly string[];
  readonly floors: ReadonlyMap<string, number>;
  /** New content of fixed targets, by name. */
  readonly fixed: ReadonlyMap<string, Uint8Array>;
  /** Roles that begin, or get other keys. */
  readonly delegate: readonly DelegationGrant[];
  readonly expiresAtMs: number;
}

/** One line of what the new file says that the old one did not. */
export interface Difference {
  readonly subject: string;
  readonly before: string;
  readonly after: string;
}

export interface ProposedTargets {
  readonly body: JsonObject;
  readonly differences: readonly Difference[];
}

export interface ChangeProblem {
  readonly code: 'release-changed' | 'tuf-target-not-found' | 'rollback-floor-lowered';
  readonly message: string;
}

/** The body after `base`, field by field; members unknown to us are carried on. */
export function changeTargets(
  base: JsonObject,
  change: TargetsChange,
): Result<ProposedTargets, ChangeProblem> {
  const targets: Record<string, Json> = { ...objectOf(base['targets']) };
  for (const { path, manifest, custom } of change.releases) {
    if (Object.hasOwn(targets, path)) {
      return problem('release-changed', `${path} is published already; give it a new version`);
    }
    Object.assign(targets, targetsJson([{ path, bytes: manifest, custom: custom }]));
  }
  for (const path of change.retire) {
    const target = targets[path];
    if (!isJsonObject(target)) return problem('tuf-target-not-found', `${path} is not published`);
    targets[path] = { ...target, custom: { ...objectOf(target['custom']), status: 'retired' } };
  }
  for (const [path, bytes] of change.fixed) Object.assign(targets, targetsJson([{ path, bytes }]));
  const floors: Record<string, Json> = { ...objectOf(base['rollbackFloor']) };
  for (const [name, floor] of change.floors) {
    const before = Number(floors[name] ?? 0);
    if (before > floor) {
      return problem('rollback-floor-lowered', `the floor of ${name} is ${before}`);
    }
    floors[name] = floor;
  }
  const { expiresAtMs } = change;
  const delegations = delegate(base['delegations'], change.delegate);
  const body = nextBody(base, {
    expiresAtMs,
    change: { targets, rollbackFloor: floors, ...delegations },
  });
  return ok({ body, differences: differencesOf(base, body) });
}

/** Every member that differs, two levels deep where a member is a map of names. */
export function differencesOf(before: JsonObject, after: JsonObject): readonly Difference[] {
  const differences: Difference[] = [];
  const compare = (subject: string, a: Json | undefined, b: Json | undefined): void => {
    const [left, right] = [textOf(a), textOf(b)];
    if (left !== right) differences.push({ subject, before: left, after: right });
  };
  for (const name of namesOf(before, after)) {
    const [a, b] = [before[name], after[name]];
    if (name !== 'targets' && name !== 'rollbackFloor') {
      compare(name, a, b);
      continue;
    }
    const [from, to] = [objectOf(a), objectOf(b)];
    for (const entry of namesOf(from, to)) compare(`${name} ${entry}`, from[entry], to[entry]);
  }
  return differences;
}

/** The counter above all others of the name. */
export function nextReleaseCounter(base: JsonObject, name: string): number {
  let top = 0;
  for (const target of Object.values(objectOf(base['targets']))) {
    const custom = isJsonObject(target) ? objectOf(target['custom']) : {};
    if (custom['name'] === name) top = Math.max(top, Number(custom['releaseCounter'] ?? 0));
  }
  return top + 1;
}

/** Roles by name in their old order; keys that no role names any more are left out. */
function delegate(before: Json | undefined, grants: readonly DelegationGrant[]): JsonObject {
  if (grants.length === 0) return {};
  const known = objectOf(before);
  const added = delegationsJson(grants);
  const roles = new Map<Json | undefined, JsonObject>();
  for (const role of [...listOf(known['roles']), ...listOf(added['roles'])]) {
    roles.set(role['name'], role);
  }
  const used = new Set([...roles.values()].flatMap(({ keyids }) => keyids as readonly string[]));
  const keys = Object.entries({ ...objectOf(known['keys']), ...objectOf(added['keys']) });
  return {
    delegations: {
      ...known,
      keys: Object.fromEntries(keys.filter(([keyId]) => used.has(keyId))),
      roles: [...roles.values()],
    },
  };
}

const listOf = (value: Json | undefined): readonly JsonObject[] =>
  Array.isArray(value) ? (value as readonly Json[]).filter(isJsonObject) : [];

const namesOf = (a: JsonObject, b: JsonObject): readonly string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();

const objectOf = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {});

const textOf = (value: Json | undefined): string =>
  value === undefined ? '-' : typeof value === 'string' ? value : JSON.stringify(value);

const problem = (code: ChangeProblem['code'], message: string): Result<never, ChangeProblem> =>
  err({ code, message });
