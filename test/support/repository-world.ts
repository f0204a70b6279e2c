import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { openMemoryStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import type { Store } from '../../fleet-server/ports/store.ts';
import {
  ImageRepository,
  type ImageRepositoryOptions,
  type Published,
} from '../../fleet-server/runner/image-repository.ts';
import type { DirectorKeys, Revoked, TargetCustom } from '../../shared/contracts/bundle-config.ts';
import { streamOf } from '../../shared/core/byte-stream.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../shared/core/canonical-json.ts';
import type { AppName } from '../../shared/core/ids.ts';
import type { Result } from '../../shared/core/result.ts';
import type { Signer } from '../../shared/ports/signer.ts';
import type { JsonObject } from '../../shared/trust/strict-json.ts';
import {
  type DelegationGrant,
  delegationsJson,
  ed25519Key,
  rootBody,
  signBody,
  type TufSign,
  targetsBody,
  targetsJson,
} from '../../shared/trust/tuf/repository.ts';
import { MemoryBlobStore } from '../../sim/world/memory-blob-store.ts';
import { SeededKeys } from '../../sim/world/seeded-keys.ts';
import { SetClock } from '../contract/session-tokens.suite.ts';
import { plant } from './store-nouns.ts';
import { day0Ms, dayMs } from './tuf-repository.ts';
import { ed25519Signer, type TestSigner } from './tuf-signers.ts';

const outcomeOf = (result: Result<unknown, { readonly code: string }>): string =>
  result.ok ? 'ok' : result.error.code;

const tufKey = ({ publicKey }: Signer) => ed25519Key(publicKey);

/** An operator with offline keys, and a server with online ones; nothing is published but the root. */
export class RepositoryWorld {
  readonly clock = new SetClock();
  readonly blobs = new MemoryBlobStore();
  readonly keys = new SeededKeys('server');
  readonly rootKeys = ['r1', 'r2', 'r3'].map(ed25519Signer);
  readonly targetsKey = ed25519Signer('targets');
  readonly store: Store;
  readonly firstRoot: Uint8Array;
  targets = new Map<string, { readonly bytes: Uint8Array; readonly custom?: Json }>();
  rollbackFloor: Record<string, number> = {};
  delegations: DelegationGrant[] = [];
  director: DirectorKeys;
  revoked: Revoked['revoked'] = [];
  version = 0;

  constructor() {
    this.clock.ms = day0Ms;
    this.store = openMemoryStore(null).store;
    this.firstRoot = this.rootFile({ version: 1 });
    this.director = {
      version: 1,
      keys: [hexOf(this.keys.signer('director').publicKey)],
      auditKeys: [hexOf(this.keys.signer('audit').publicKey)],
    };
  }

  static async open(): Promise<{ world: RepositoryWorld; repository: ImageRepository }> {
    const world = new RepositoryWorld();
    await world.store.transaction((tx) =>
      tx.fleets.insert({ fleet: plant, title: 'Plant', createdAtMs: 1 }),
    );
    return { world, repository: await world.openRepository() };
  }

  openRepository(
    firstRoot = this.firstRoot,
    rules: Pick<ImageRepositoryOptions, 'onnx'> = {},
  ): Promise<ImageRepository> {
    const { store, blobs, keys, clock } = this;
    return ImageRepository.open({ store, blobs, keys, clock }, { firstRoot, ...rules });
  }

  rootFile(options: {
    readonly version: number;
    readonly signers?: readonly TestSigner[];
    readonly targets?: readonly TestSigner[];
    readonly snapshot?: Signer;
  }): Uint8Array {
    const { version, targets = [this.targetsKey] } = options;
    const snapshot = options.snapshot ?? this.keys.signer('snapshot');
    const body = rootBody({
      version,
      expiresAtMs: day0Ms + 365 * dayMs,
      roles: {
        root: { keys: this.rootKeys.map(({ key }) => key), threshold: 2 },
        targets: { keys: targets.map(({ key }) => key), threshold: 1 },
        snapshot: { keys: [tufKey(snapshot)], threshold: 1 },
        timestamp: { keys: [tufKey(this.keys.signer('timestamp'))], threshold: 1 },
      },
    });
    const signers = options.signers ?? this.rootKeys.slice(0, 2);
    return signBody(
      body,
      signers.map(({ sign }) => sign),
    );
  }

  /** Names a bundle in the next targets file. */
  name(bundle: PackedBundle, change: Partial<TargetCustom> = {}): void {
    const { version } = bundle.config;
    const custom: TargetCustom = {
      name: 'adder' as AppName,
      version,
      releaseCounter: Number(version.split('.')[0]),
      fleets: [],
      classMatch: {},
      status: 'live',
      ...change,
    };
    const entry = { bytes: bundle.manifest, custom: custom as Json };
    this.targets.set(`bundles/adder@${version}`, entry);
  }

  /** The next targets file; `change` replaces fields of its body. */
  targetsFile(options: { readonly sign?: readonly TufSign[]; readonly change?: JsonObject } = {}) {
    const fixed = [
      { path: 'director.json', bytes: this.directorBytes },
      { path: 'revoked.json', bytes: this.revokedBytes },
    ];
    const named = [...this.targets].map(([path, entry]) => ({ path, ...entry }));
    const body = {
      ...targetsBody({ version: this.version + 1, expiresAtMs: day0Ms + 180 * dayMs, targets: [] }),
      targets: targetsJson([...fixed, ...named]),
      rollbackFloor: this.rollbackFloor,
      ...(this.delegations.length === 0 ? {} : { delegations: delegationsJson(this.delegations) }),
      ...options.change,
    };
    return signBody(body, options.sign ?? [this.targetsKey.sign]);
  }

  get directorBytes(): Uint8Array {
    return utf8(canonicalJson(this.director));
  }

  get revokedBytes(): Uint8Array {
    return utf8(canonicalJson({ revoked: this.revoked }));
  }

  async upload(repository: ImageRepository, bundle: PackedBundle): Promise<void> {
    const all = [...bundle.blobs, [bundle.digest, bundle.manifest] as const];
    for (const [digest, bytes] of all) {
      const put = await repository.putBlob(digest, streamOf(bytes));
      if (!put.ok) throw new Error(put.error.message);
    }
  }

  /** Uploads the fixed targets, signs what stands here now, and publishes it: `ok` or the code. */
  async publish(repository: ImageRepository, file = this.targetsFile()): Promise<string> {
    await repository.putFixedTarget('director.json', this.directorBytes);
    await repository.putFixedTarget('revoked.json', this.revokedBytes);
    const name = `${this.version + 1}.targets.json`;
    const published: Result<Published, { readonly code: string }> =
      await repository.publishMetadata({ name, bytes: file, actor: 'olga' });
    if (published.ok) this.version += 1;
    return outcomeOf(published);
  }
}
