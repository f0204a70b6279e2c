import { equalBytes } from '../../../shared/core/bytes.ts';
import type { Json } from '../../../shared/core/canonical-json.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import { type KeyStore, onlineRoles } from '../../../shared/ports/key-store.ts';
import type { Root, SignedFile, Timestamp } from '../../../shared/trust/tuf/metadata.ts';
import { remoteMetadataName } from '../../../shared/trust/tuf/metadata-name.ts';
import { signBodyOnline } from '../../../shared/trust/tuf/repository.ts';
import {
  decideRenewal,
  nextSnapshotBody,
  nextTimestampBody,
  type OnlineLives,
} from '../../core/repository/next-metadata.ts';
import type { OnlinePublicKeys } from '../../core/repository/online-keys.ts';
import type { TrustedMetadata } from '../../core/repository/trusted-metadata.ts';
import type { Store, StoreTx } from '../../ports/store.ts';
import { appendAudit } from '../append-audit.ts';
import { readStoredMetadata } from './stored-metadata.ts';

export interface FilesPorts {
  readonly store: Store;
  readonly keys: KeyStore;
  readonly clock: Clock;
}

/** An accepted file with everything that becomes true together with it. */
export interface Publication {
  readonly actor: string;
  readonly role: string;
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Served beside it: fixed targets by `targets/<sha256>.<name>`. */
  readonly fixed: ReadonlyMap<string, Uint8Array>;
  /** For the audit row. */
  readonly details: Json;
  readonly effects: (tx: StoreTx, nowMs: number) => Promise<void>;
}

type Files = ReadonlyMap<string, Uint8Array>;

/**
 * The files of the repository in the store, and the two that the server signs itself.
 *
 * INVARIANTS
 * - What was signed elsewhere is stored and served byte for byte.
 * - Timestamp, snapshot and what they list change in one transaction, so every served timestamp leads to whole files.
 * - Versions rise: a transaction that finds another timestamp than it was signed after gives up.
 */
export class RepositoryFiles {
  readonly #ports: FilesPorts;
  readonly #lives: OnlineLives;
  readonly #firstRootVersion: number;

  constructor(
    ports: FilesPorts,
    options: { readonly lives: OnlineLives; readonly firstRootVersion: number },
  ) {
    this.#ports = ports;
    this.#lives = options.lives;
    this.#firstRootVersion = options.firstRootVersion;
  }

  /** What is served now. Throws `store-corrupt` where a root is missing. */
  async load(): Promise<TrustedMetadata> {
    const stored = await this.#ports.store.read((view) =>
      readStoredMetadata(view.tufFiles, this.#firstRootVersion),
    );
    if (stored !== undefined) return stored;
    throw new OperatingError('store-corrupt', `${this.#firstRootVersion}.root.json is not stored`);
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    return (await this.#ports.store.read((view) => view.tufFiles.get(name)))?.bytes;
  }

  get publicKeys(): OnlinePublicKeys {
    return new Map(onlineRoles.map((role) => [role, this.#ports.keys.signer(role).publicKey]));
  }

  /** Serves a new file under a new snapshot and timestamp. Where the root changes, `next` names the new one. */
  async publish(next: TrustedMetadata, publication: Publication): Promise<void> {
    const { name, role, bytes } = publication;
    const isListed = role !== 'root';
    const changed: Files = isListed ? new Map([[role, bytes]]) : new Map();
    const hasListing = isListed || next.snapshot !== undefined;
    const online = hasListing ? await this.#signBoth(next, changed) : new Map();
    const files = new Map([...publication.fixed, [name, bytes] as const, ...online]);
    await this.#commit(next.timestamp, files, async (tx, nowMs) => {
      const { actor, details } = publication;
      const draft = { fleet: null, atMs: nowMs, actor, action: 'repository.publish' };
      await appendAudit(tx, { ...draft, subject: name, details });
      await publication.effects(tx, nowMs);
    });
  }

  /** Signs again what is past half of its life. False when nothing was due. */
  async renew(): Promise<boolean> {
    const trusted = await this.load();
    const nowMs = this.#ports.clock.nowMs();
    const due = decideRenewal(trusted, { nowMs, lives: this.#lives });
    if (due === 'none' || trusted.snapshot === undefined) return false;
    const files =
      due === 'snapshot'
        ? await this.#signBoth(trusted, new Map())
        : await this.#signTimestamp(trusted.timestamp, trusted.snapshot.bytes);
    await this.#commit(trusted.timestamp, files, async () => undefined);
    return true;
  }

  /** The root that everything begins with. */
  async writeFirstRoot({ bytes, body }: SignedFile<Root>): Promise<void> {
    const name = remoteMetadataName('root', body.version);
    const storedAtMs = this.#ports.clock.nowMs();
    await this.#ports.store.transaction((tx) => tx.tufFiles.put({ name, bytes, storedAtMs }));
  }

  async #signBoth(next: TrustedMetadata, changed: Files): Promise<Files> {
    const { clock, keys } = this.#ports;
    const nowMs = clock.nowMs();
    const expiresAtMs = nowMs + this.#lives.snapshotLifeMs;
    const body = nextSnapshotBody(next.snapshot, { changed, expiresAtMs, nowMs });
    const snapshot = await signBodyOnline(body, keys.signer('snapshot'));
    const name = remoteMetadataName('snapshot', Number(body['version']));
    return new Map([[name, snapshot], ...(await this.#signTimestamp(next.timestamp, snapshot))]);
  }

  async #signTimestamp(
    before: SignedFile<Timestamp> | undefined,
    snapshot: Uint8Array,
  ): Promise<Files> {
    const { clock, keys } = this.#ports;
    const nowMs = clock.nowMs();
    const expiresAtMs = nowMs + this.#lives.timestampLifeMs;
    const body = nextTimestampBody(before, { snapshot, expiresAtMs, nowMs });
    const bytes = await signBodyOnline(body, keys.signer('timestamp'));
    return new Map([[remoteMetadataName('timestamp', undefined), bytes]]);
  }

  async #commit(
    before: SignedFile<Timestamp> | undefined,
    files: Files,
    effects: (tx: StoreTx, nowMs: number) => Promise<void>,
  ): Promise<void> {
    const storedAtMs = this.#ports.clock.nowMs();
    await this.#ports.store.transaction(async (tx) => {
      const stored = await tx.tufFiles.get(remoteMetadataName('timestamp', undefined));
      if (!isSameFile(stored?.bytes, before?.bytes)) {
        throw new OperatingError('store-conflict', 'another process published meanwhile');
      }
      await effects(tx, storedAtMs);
      for (const [name, bytes] of files) await tx.tufFiles.put({ name, bytes, storedAtMs });
    });
  }
}

const isSameFile = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : equalBytes(a, b);
