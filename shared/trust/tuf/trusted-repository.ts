import { limits } from '../../contracts/limits.ts';
import { err, ok, type Result } from '../../core/result.ts';
import { rolesForPath } from './delegation-match.ts';
import { type TufFailure, tufFailure } from './failure.ts';
import type { Root, Snapshot, TargetFile, Targets, Timestamp } from './metadata.ts';
import type { TargetsTree } from './targets-tree.ts';
import type { Delegator } from './verify-metadata.ts';

interface TrustedParts {
  readonly root: Root;
  readonly timestamp: Timestamp;
  readonly snapshot: Snapshot;
  readonly targets: Targets;
  readonly tree: TargetsTree;
  readonly freshness: 'proven' | 'unproven';
}

export interface FoundTarget {
  readonly target: TargetFile;
  /** The role whose keys signed for this path: `targets`, or the delegated role's name. */
  readonly role: string;
}

/** One consistent view of the repository, as verified by one refresh. Lookups may load delegated roles. */
export class TrustedRepository {
  readonly root: Root;
  readonly timestamp: Timestamp;
  readonly snapshot: Snapshot;
  /** The top-level targets, with the fixed names such as `revoked.json`. */
  readonly targets: Targets;
  /** `unproven`: only a lower bound of the time was known, so no install may start from this view. */
  readonly freshness: 'proven' | 'unproven';
  readonly #tree: TargetsTree;

  constructor(parts: TrustedParts) {
    this.root = parts.root;
    this.timestamp = parts.timestamp;
    this.snapshot = parts.snapshot;
    this.targets = parts.targets;
    this.freshness = parts.freshness;
    this.#tree = parts.tree;
  }

  /** Expiry of each top-level role: to warn early, and to bound how far a persisted time floor may advance. */
  get expiresAtMs(): ReadonlyMap<'root' | 'timestamp' | 'snapshot' | 'targets', number> {
    const { root, timestamp, snapshot, targets } = this;
    return new Map(
      [root, timestamp, snapshot, targets].map(({ kind, expiresAtMs }) => [kind, expiresAtMs]),
    );
  }

  /**
   * 5.6.7: pre-order depth-first search, in order of trust. With `expectedRole`, a target that another role signed for
   * is refused (`tuf-unexpected-role`): a path alone must not choose whose keys count.
   */
  async lookup(
    path: string,
    options: { readonly expectedRole?: string } = {},
  ): Promise<Result<FoundTarget, TufFailure>> {
    const { expectedRole } = options;
    const found = await this.#search(path);
    if (!found.ok || expectedRole === undefined || found.value.role === expectedRole) return found;
    const message = `signed by ${found.value.role}, not by ${expectedRole}`;
    return err(tufFailure('tuf-unexpected-role', path, message));
  }

  async #search(path: string): Promise<Result<FoundTarget, TufFailure>> {
    const visited = new Set(['targets']);
    const atTop = this.targets.targets.get(path);
    if (atTop !== undefined) return ok({ target: atTop, role: 'targets' });
    let pending = childrenOf(this.targets, path);
    while (pending.length > 0) {
      const [next, ...others] = pending;
      pending = others;
      if (next === undefined) break;
      // 5.6.7.1: a role is visited once, so cycles end; a terminating way to it still ends the search.
      if (visited.has(next.name)) {
        if (next.terminating) break;
        continue;
      }
      if (visited.size > limits.tufDelegationsMax) {
        const message = `not found within ${limits.tufDelegationsMax} delegated roles`;
        return err(tufFailure('tuf-too-many-delegations', path, message));
      }
      const loaded = await this.#tree.load(next.name, next.delegator);
      // 5.6.7, note: what cannot be fetched or validated ends the search.
      if (!loaded.ok) return loaded;
      visited.add(next.name);
      const target = loaded.value.targets.get(path);
      if (target !== undefined) return ok({ target, role: next.name });
      // 5.6.7.2.1: a terminating delegation cuts off all that is still pending but its own descendants.
      const children = childrenOf(loaded.value, path);
      pending = next.terminating ? children : [...children, ...pending];
    }
    return err(tufFailure('tuf-target-not-found', path, 'no trusted role names this target'));
  }
}

interface PendingRole {
  readonly name: string;
  readonly terminating: boolean;
  readonly delegator: Delegator;
}

function childrenOf({ delegations }: Targets, path: string): readonly PendingRole[] {
  if (delegations === undefined) return [];
  return rolesForPath(delegations, path).map((role) => ({
    name: role.name,
    terminating: role.terminating,
    delegator: { keyRing: delegations, role },
  }));
}
