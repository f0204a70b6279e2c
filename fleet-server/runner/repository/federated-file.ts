import type { TargetCustom } from '../../../shared/contracts/bundle-config.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { Json } from '../../../shared/core/canonical-json.ts';
import type { Digest, FleetId } from '../../../shared/core/ids.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import { ok, type Result } from '../../../shared/core/result.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { KeyStore } from '../../../shared/ports/key-store.ts';
import { isJsonObject } from '../../../shared/trust/strict-json.ts';
import type { DelegatedRole } from '../../../shared/trust/tuf/metadata.ts';
import { remoteMetadataName } from '../../../shared/trust/tuf/metadata-name.ts';
import { collect } from '../../../shared/trust/tuf/metadata-source.ts';
import {
  ed25519Key,
  nextBody,
  signBodyOnline,
  targetsBody,
  targetsJson,
} from '../../../shared/trust/tuf/repository.ts';
import { meetsThreshold } from '../../../shared/trust/tuf/signature.ts';
import { versionAfter } from '../../core/repository/next-metadata.ts';
import { type RepositoryRefusal, refuse } from '../../core/repository/repository-refusal.ts';
import type { TrustedMetadata } from '../../core/repository/trusted-metadata.ts';
import { federatedRole } from '../../core/repository/upload-name.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import type { Store } from '../../ports/store.ts';
import { readDelegated } from './stored-metadata.ts';

/** A bundle that a federated round has built; its blobs are in the BlobStore. */
export interface FederatedCandidate {
  readonly fleet: FleetId;
  /** Of the manifest. */
  readonly digest: Digest;
  readonly custom: TargetCustom;
  readonly actor: string;
}

interface MadeFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

interface CandidateWorld {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly keys: KeyStore;
  readonly clock: Clock;
  readonly trusted: TrustedMetadata;
}

/** The next delegated targets file of a fleet: what it named before, and the candidate. */
export async function nextFederatedFile(
  { store, blobs, keys, clock, trusted }: CandidateWorld,
  { fleet, digest, custom }: FederatedCandidate,
): Promise<Result<MadeFile, RepositoryRefusal>> {
  const body = await blobs.read(digest);
  if (body === undefined) return refuse('bundle-incomplete', `blob ${digest} is not here`);
  const manifest = await collect(body, limits.manifestBytesMax);
  const role = federatedRole(fleet);
  const before = await store.read((view) => readDelegated(view.tufFiles, role, trusted));
  const path = `federated/${fleet}/${custom.name}@${custom.version}`;
  const added = [{ path, bytes: manifest, custom: custom as Json }];
  const nowMs = clock.nowMs();
  const expiresAtMs = nowMs + limits.federatedLifeMs;
  const version = versionAfter(before?.body.version ?? 0, nowMs);
  const known = before?.signed['targets'];
  const next =
    before === undefined
      ? targetsBody({ version, expiresAtMs, targets: added })
      : {
          ...nextBody(before.signed, {
            expiresAtMs,
            change: { targets: { ...(isJsonObject(known) ? known : {}), ...targetsJson(added) } },
          }),
          version,
        };
  const bytes = await signBodyOnline(next, keys.signer('federated'));
  return ok({ name: remoteMetadataName(role, version), bytes });
}

/**
 * The same candidates once more, where devices no longer accept their file because targets delegate to another key by
 * now: this server's. False when nothing was due.
 */
export async function renewFederatedFiles(
  world: Omit<CandidateWorld, 'blobs' | 'trusted'> & {
    readonly load: () => Promise<TrustedMetadata>;
  },
  publish: (
    file: MadeFile & { readonly actor: string },
  ) => Promise<Result<unknown, RepositoryRefusal>>,
): Promise<boolean> {
  let isRenewed = false;
  const { targets } = await world.load();
  for (const role of targets?.body.delegations?.roles ?? []) {
    const file = await renewedFile({ ...world, trusted: await world.load() }, role);
    if (file === undefined) continue;
    const published = await publish({ ...file, actor: 'skein' });
    if (!published.ok) throw new OperatingError(published.error.code, published.error.message);
    isRenewed = true;
  }
  return isRenewed;
}

async function renewedFile(
  { store, keys, clock, trusted }: Omit<CandidateWorld, 'blobs'>,
  role: DelegatedRole,
): Promise<MadeFile | undefined> {
  const delegations = trusted.targets?.body.delegations;
  const signer = keys.signer('federated');
  const isOurs = role.keyIds.includes(ed25519Key(signer.publicKey).keyId) && role.threshold === 1;
  if (delegations === undefined || !isOurs) return undefined;
  const before = await store.read((view) => readDelegated(view.tufFiles, role.name, trusted));
  if (before === undefined || meetsThreshold(before, delegations, role)) return undefined;
  const nowMs = clock.nowMs();
  const version = versionAfter(before.body.version, nowMs);
  const expiresAtMs = nowMs + limits.federatedLifeMs;
  const next = { ...nextBody(before.signed, { expiresAtMs, change: {} }), version };
  const bytes = await signBodyOnline(next, signer);
  return { name: remoteMetadataName(role.name, version), bytes };
}
