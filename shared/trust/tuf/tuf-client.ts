import { limits } from '../../contracts/limits.ts';
import { equalBytes } from '../../core/bytes.ts';
import { err, ok, type Result } from '../../core/result.ts';
import { type TufFailure, tufFailure } from './failure.ts';
import { isListedFile } from './file-hash.ts';
import type {
  Root,
  SignedFile,
  Snapshot,
  Targets,
  Timestamp,
  TopLevelRole,
  TufBodies,
} from './metadata.ts';
import { remoteMetadataName } from './metadata-name.ts';
import type { MetadataSource } from './metadata-source.ts';
import type { MetadataStore } from './metadata-store.ts';
import { TargetsTree } from './targets-tree.ts';
import { TrustedRepository } from './trusted-repository.ts';
import type { UpdateTime } from './update-time.ts';
import {
  checkRootExpiry,
  checkTimestampExpiry,
  verifyLocal,
  verifyNextRoot,
  verifySnapshot,
  verifyTimestamp,
} from './verify-metadata.ts';

export interface TufClientOptions {
  readonly source: MetadataSource;
  readonly store: MetadataStore;
}

/** Signed by keys the device trusts; nothing is said about its age. */
export interface LocalTrust {
  readonly root: Root;
  readonly targets: Targets;
}

/**
 * The client workflow of the TUF specification 1.0.34, section 5, with time, network and disk as arguments.
 *
 * INVARIANTS
 * - Nothing reaches the store before it is verified; each file is replaced whole.
 * - A role's version on disk never goes back while the keys that signed it are trusted.
 * - Every failure leaves the store usable for the next `refresh`.
 * One refresh at a time per store; the caller serializes.
 */
export class TufClient {
  readonly #source: MetadataSource;
  readonly #store: MetadataStore;
  /** What the local files were found to be: the same bytes under the same root are not verified twice. */
  readonly #local = new Map<string, { readonly root: Root; readonly file: SignedFile<unknown> }>();

  constructor({ source, store }: TufClientOptions) {
    this.#source = source;
    this.#store = store;
  }

  /**
   * Brings root, timestamp, snapshot and targets up to date. What is refused comes back as a coded failure; what fails
   * in the world (no network, slow or endless answer, full disk) throws an OperatingError.
   */
  async refresh(time: UpdateTime): Promise<Result<TrustedRepository, TufFailure>> {
    const updated = await this.#updateRoot();
    if (!updated.ok) return updated;
    const root = checkRootExpiry(updated.value, time);
    if (!root.ok) return root;
    const timestamp = await this.#updateTimestamp(root.value, time);
    if (!timestamp.ok) return timestamp;
    const snapshot = await this.#updateSnapshot(root.value, timestamp.value.body, time);
    if (!snapshot.ok) return snapshot;
    const top = { root: root.value, snapshot: snapshot.value.body };
    const tree = new TargetsTree({ ...top, time, store: this.#store, source: this.#source });
    const targets = await tree.load('targets', {
      keyRing: root.value,
      role: root.value.roles.get('targets'),
    });
    if (!targets.ok) return targets;
    return ok(
      new TrustedRepository({
        ...top,
        timestamp: timestamp.value.body,
        targets: targets.value,
        tree,
        freshness: time.kind === 'trusted' ? 'proven' : 'unproven',
      }),
    );
  }

  /**
   * What the device already trusts, without network and whatever the time is: for checks that must work offline, such
   * as revocation at boot.
   */
  async readLocal(): Promise<Result<LocalTrust, TufFailure>> {
    const root = await this.#store.readRoot();
    if (!root.ok) return root;
    const targets = await this.#localFile('targets', root.value.body);
    return targets === undefined
      ? missing('targets')
      : ok({ root: root.value.body, targets: targets.body });
  }

  /** 5.3: each root in turn, persisted before the next is asked for, so that a long absence resumes. */
  async #updateRoot(): Promise<Result<Root, TufFailure>> {
    const first = await this.#store.readRoot();
    if (!first.ok) return first;
    let root = first.value.body;
    for (let rotations = 0; rotations < limits.tufRootRotationsMax; rotations += 1) {
      const bytes = await this.#source.fetch(remoteMetadataName('root', root.version + 1), {
        bytesMax: limits.tufRootBytesMax,
      });
      // 5.3.3: no newer root.
      if (bytes === undefined) return ok(root);
      const next = verifyNextRoot(bytes, root);
      if (!next.ok) return next;
      await this.#store.writeRoot(next.value);
      root = next.value.body;
    }
    const message = `more than ${limits.tufRootRotationsMax} rotations in one refresh`;
    return err(tufFailure('tuf-too-many-roots', 'root', message));
  }

  /** 5.4 */
  async #updateTimestamp(
    root: Root,
    time: UpdateTime,
  ): Promise<Result<SignedFile<Timestamp>, TufFailure>> {
    const trusted = await this.#localFile('timestamp', root);
    const bytes = await this.#source.fetch(remoteMetadataName('timestamp', undefined), {
      bytesMax: limits.tufTimestampBytesMax,
    });
    if (bytes === undefined) return missing('timestamp');
    const next = verifyTimestamp(bytes, root, { trusted: trusted?.body, time });
    if (next === 'same') {
      return trusted === undefined ? missing('timestamp') : checkTimestampExpiry(trusted, time);
    }
    if (next.ok) await this.#store.write('timestamp', bytes);
    return next;
  }

  /** 5.5. The local copy serves without a download when timestamp still lists it. */
  async #updateSnapshot(
    root: Root,
    { snapshot: listed }: Timestamp,
    time: UpdateTime,
  ): Promise<Result<SignedFile<Snapshot>, TufFailure>> {
    const trusted = await this.#localFile('snapshot', root);
    if (trusted?.body.version === listed.version && isListedFile(trusted.bytes, listed)) {
      return verifySnapshot(trusted.bytes, root, { listed, trusted: undefined, time });
    }
    const version = root.consistentSnapshot ? listed.version : undefined;
    const bytes = await this.#source.fetch(remoteMetadataName('snapshot', version), {
      bytesMax: Math.min(listed.length ?? Infinity, limits.tufSnapshotBytesMax),
    });
    if (bytes === undefined) return missing('snapshot');
    const next = verifySnapshot(bytes, root, { listed, trusted: trusted?.body, time });
    if (next.ok) await this.#store.write('snapshot', bytes);
    return next;
  }

  async #localFile<K extends Exclude<TopLevelRole, 'root'>>(
    kind: K,
    root: Root,
  ): Promise<SignedFile<TufBodies[K]> | undefined> {
    const bytes = await this.#store.read(kind);
    if (bytes === undefined) return undefined;
    const known = this.#local.get(kind);
    if (known?.root === root && equalBytes(known.file.bytes, bytes)) {
      return known.file as SignedFile<TufBodies[K]>;
    }
    const verified = verifyLocal(kind, bytes, root);
    if (!verified.ok) return undefined;
    this.#local.set(kind, { root, file: verified.value });
    return verified.value;
  }
}

const missing = (role: string): { readonly ok: false; readonly error: TufFailure } =>
  err(tufFailure('tuf-missing-metadata', role, `the repository has no ${role} of that version`));
