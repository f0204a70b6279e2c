import type { TargetCustom } from '../../../shared/contracts/bundle-config.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { Json } from '../../../shared/core/canonical-json.ts';
import type { Digest, FleetId } from '../../../shared/core/ids.ts';
import { ok, type Result } from '../../../shared/core/result.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { KeyStore } from '../../../shared/ports/key-store.ts';
import { isJsonObject } from '../../../shared/trust/strict-json.ts';
import { remoteMetadataName } from '../../../shared/trust/tuf/metadata-name.ts';
import { collect } from '../../../shared/trust/tuf/metadata-source.ts';
import {
  nextBody,
  signBodyOnline,
  targetsBody,
  targetsJson,
} from '../../../shared/trust/tuf/repository.ts';
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
): Promise<Result<{ readonly name: string; readonly bytes: Uint8Array }, RepositoryRefusal>> {
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
