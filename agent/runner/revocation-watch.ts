import type { Digest } from '../../shared/core/ids.ts';
import { type Lineage, revokedBundles } from '../../shared/trust/revoked-bundles.ts';
import { digestsHere } from '../core/update/digests-here.ts';
import type { Installer } from './installer.ts';
import { readLineages } from './read-lineages.ts';
import type { TrustedCatalogue } from './trusted-catalogue.ts';
import type { UpdateRunner } from './update-runner.ts';

export interface RevocationWatchOptions {
  readonly catalogue: Pick<TrustedCatalogue, 'revocations'>;
  readonly installer: Pick<Installer, 'readForm'>;
  readonly updates: () => UpdateRunner;
}

/**
 * Writes into the journal what must not run, and what must be replaced: digests that offline keys or the director name,
 * and every bundle on this device that they mean by a blob or an ancestor. Called at boot, after each refresh and after
 * each order.
 */
export class RevocationWatch {
  readonly #options: RevocationWatchOptions;

  constructor(options: RevocationWatchOptions) {
    this.#options = options;
  }

  /** Durable when resolved. Needs no network: the list is what was last verified. */
  async learn(): Promise<void> {
    const { catalogue, updates } = this.#options;
    const listed = await catalogue.revocations();
    const of = (what: 'stop' | 'replace') =>
      listed.flatMap(({ digest, then }) => (then === what ? digest : []));
    const { state } = updates();
    const stopped = new Set([...state.revoked, ...of('stop')]);
    const replaceable = new Set([...state.replaced, ...of('replace')]);
    const lineages = stopped.size + replaceable.size === 0 ? new Map() : await this.#lineages();
    const revoked = this.#newly(stopped, 'revoked', lineages);
    const replaced = this.#newly(replaceable, 'replaced', lineages);
    if (revoked.length + replaced.length > 0) {
      await updates().record({ kind: 'revocations-learned', revoked, replaced });
    }
  }

  /** Of these and of the bundles here that they mean, what the journal does not have yet. */
  #newly(
    named: ReadonlySet<Digest>,
    kind: 'revoked' | 'replaced',
    lineages: ReadonlyMap<Digest, Lineage>,
  ): readonly Digest[] {
    const { state } = this.#options.updates();
    const here = digestsHere(state);
    const reached = [...revokedBundles(named, lineages)].filter((digest) => here.has(digest));
    const all = new Set([...named, ...reached]);
    return [...all].filter((digest) => !state[kind].has(digest)).sort();
  }

  #lineages(): Promise<ReadonlyMap<Digest, Lineage>> {
    const { installer, updates } = this.#options;
    return readLineages(installer, digestsHere(updates().state));
  }
}
