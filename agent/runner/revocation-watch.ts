import type { Digest } from '../../shared/core/ids.ts';
import { bundleParts } from '../core/store/bundle-parts.ts';
import { sortedApps } from '../core/update/update-state.ts';
import type { Installer } from './installer.ts';
import type { TrustedCatalogue } from './trusted-catalogue.ts';
import type { UpdateRunner } from './update-runner.ts';

export interface RevocationWatchOptions {
  readonly catalogue: Pick<TrustedCatalogue, 'revocations'>;
  readonly installer: Pick<Installer, 'read'>;
  readonly updates: () => UpdateRunner;
}

/**
 * Writes into the journal what must not run: digests that offline keys or the director name, and every bundle on this
 * device of which a named digest is a part or the parent. Called at boot, after each refresh and after each order.
 */
export class RevocationWatch {
  readonly #options: RevocationWatchOptions;

  constructor(options: RevocationWatchOptions) {
    this.#options = options;
  }

  /** Durable when resolved. Needs no network: the list is what was last verified. */
  async learn(): Promise<void> {
    const { catalogue, updates } = this.#options;
    const listed = (await catalogue.revocations()).map(({ digest }) => digest);
    const named = new Set([...updates().state.revoked, ...listed]);
    const reached = named.size === 0 ? [] : await this.#bundlesWith(named);
    const known = updates().state.revoked;
    const revoked = [...named, ...reached].filter((digest) => !known.has(digest)).sort();
    if (revoked.length > 0) await updates().record({ kind: 'revocations-learned', revoked });
  }

  async #bundlesWith(named: ReadonlySet<Digest>): Promise<readonly Digest[]> {
    const { installer, updates } = this.#options;
    const here = sortedApps(updates().state).flatMap(({ held, attempt, running }) => [
      ...held.map(({ digest }) => digest),
      ...[attempt?.target.digest, running?.slot.digest].filter((digest) => digest !== undefined),
    ]);
    const reached: Digest[] = [];
    for (const digest of new Set(here)) {
      if (named.has(digest)) continue;
      const bundle = await installer.read(digest);
      if (bundle.ok && bundleParts(bundle.value).some((part) => named.has(part)))
        reached.push(digest);
    }
    return reached;
  }
}
