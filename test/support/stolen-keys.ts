import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import type { BundleConfig } from '../../shared/contracts/bundle-config.ts';
import { mediaTypes, type OciManifest } from '../../shared/contracts/oci-manifest.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { Digest, TargetPath } from '../../shared/core/ids.ts';
import type { OnlineRole } from '../../shared/ports/key-store.ts';
import { digestOf } from '../../shared/trust/hash.ts';
import {
  signBodyOnline,
  snapshotBody,
  targetsBody,
  timestampBody,
} from '../../shared/trust/tuf/repository.ts';
import type { SmokeFleet } from '../../sim/scenarios/smoke-fleet.ts';

/**
 * Whoever holds a server's online keys and its origin, and none that is kept offline: signs and serves what it likes,
 * above every version that the honest server has signed.
 */
export class StolenKeys {
  readonly #world: SmokeFleet;
  readonly #expiresAtMs: number;
  #version: number;

  constructor(world: SmokeFleet) {
    this.#world = world;
    const nowMs = world.time.startWallMs + world.time.nowMs;
    this.#version = Math.floor(nowMs / 1_000) + 1_000_000;
    this.#expiresAtMs = nowMs + 7 * 86_400_000;
  }

  /** The targets file that offline keys have signed. */
  get targets(): Uint8Array {
    return this.#world.repository.targets.bytes;
  }

  /** Names a bundle in `federated-<fleet>`, lists that beside the true targets, and serves all of it. */
  async publish(bundle: PackedBundle, path: string, fleet = 'smoke'): Promise<void> {
    const role = `federated-${fleet}`;
    const file = await this.targetsFile([{ bundle, path }]);
    await this.list(
      new Map([
        ['targets', { bytes: this.targets, version: 1 }],
        [role, file],
      ]),
    );
    const { stolen } = this.#world;
    stolen.set(`/v2/${bundle.config.name}/manifests/${bundle.digest}`, bundle.manifest);
    for (const [digest, bytes] of bundle.blobs) {
      stolen.set(`/v2/${bundle.config.name}/blobs/${digest}`, bytes);
    }
  }

  /** A file of the targets form. */
  async targetsFile(
    named: readonly { readonly bundle: PackedBundle; readonly path: string }[],
    signer: OnlineRole = 'federated',
  ): Promise<ListedFile> {
    const version = this.#next();
    const body = targetsBody({
      ...{ version, expiresAtMs: this.#expiresAtMs },
      targets: named.map(({ bundle: { config, manifest }, path }) => ({
        ...{ path, bytes: manifest },
        custom: {
          ...{ name: config.name, version: config.version, releaseCounter: 1_000 },
          ...{ fleets: ['smoke'], classMatch: {}, status: 'live' },
        },
      })),
    });
    return { version, bytes: await this.#signed(body, signer) };
  }

  /** A snapshot of exactly these files by role, under a timestamp of its own. */
  async list(files: ReadonlyMap<string, ListedFile>): Promise<void> {
    const { stolen } = this.#world;
    const life = { version: this.#next(), expiresAtMs: this.#expiresAtMs };
    const named = new Map([...files].map(([role, { bytes }]) => [role, bytes] as const));
    const snapshot = await this.#signed(snapshotBody({ ...life, files: named }), 'snapshot');
    const timestamp = await this.#signed(timestampBody({ ...life, snapshot }), 'timestamp');
    for (const [role, { bytes, version }] of files)
      stolen.set(`/tuf/${version}.${role}.json`, bytes);
    stolen.set(`/tuf/${life.version}.snapshot.json`, snapshot);
    stolen.set('/tuf/timestamp.json', timestamp);
  }

  #next(): number {
    this.#version += 1;
    return this.#version;
  }

  #signed(body: Parameters<typeof signBodyOnline>[0], role: OnlineRole): Promise<Uint8Array> {
    return signBodyOnline(body, this.#world.repository.keys.signer(role));
  }
}

export interface ListedFile {
  readonly bytes: Uint8Array;
  readonly version: number;
}

export interface Forgery {
  readonly version: string;
  /** Where the candidate says that its parent is signed. */
  readonly parentPath: TargetPath;
  /** New content in the place of blobs of the parent. */
  readonly replaced: ReadonlyMap<Digest, Uint8Array>;
}

/** A candidate in good form, made of `parent` by putting other bytes in the places of its blobs. */
export function forgeCandidate(parent: PackedBundle, forgery: Forgery): PackedBundle {
  const { version, parentPath, replaced } = forgery;
  const fresh = new Map([...replaced].map(([before, bytes]) => [before, digestOf(bytes)] as const));
  const renamed = (value: unknown): string =>
    [...fresh].reduce((text, [a, b]) => text.replaceAll(a, b), canonicalJson(value as never));
  const config = {
    ...(JSON.parse(renamed(parent.config)) as BundleConfig),
    ...{ version, parent: parent.digest },
    lineage: {
      ...{ round: `r-${'0'.repeat(16)}`, createdAtMs: 0 },
      parameters: { parent: parentPath, devices: 5 },
    },
  };
  const configBytes = utf8(canonicalJson(config));
  const before = JSON.parse(new TextDecoder().decode(parent.manifest)) as OciManifest;
  const bytesOf = new Map([...replaced.values()].map((bytes) => [digestOf(bytes), bytes]));
  const layers = before.layers
    .map(({ mediaType, digest, size }) => {
      const now = fresh.get(digest) ?? digest;
      return { mediaType, digest: now, size: bytesOf.get(now)?.length ?? size };
    })
    .sort((a, b) => (a.digest < b.digest ? -1 : 1));
  const manifest = utf8(
    canonicalJson({
      ...before,
      config: {
        mediaType: mediaTypes.config,
        digest: digestOf(configBytes),
        size: configBytes.length,
      },
      layers,
      annotations: { ...before.annotations, 'org.opencontainers.image.version': version },
    }),
  );
  const blobs = new Map([
    ...parent.blobs,
    ...bytesOf,
    [digestOf(configBytes), configBytes] as const,
  ]);
  return { digest: digestOf(manifest), manifest, config: config, blobs };
}
