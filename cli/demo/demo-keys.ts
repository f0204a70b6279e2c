import { randomBytes } from 'node:crypto';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { KeyStore } from '../../shared/ports/key-store.ts';
import {
  delegationsJson,
  ed25519Key,
  nextBody,
  type RoleGrant,
  rootBody,
  signBody,
  type TargetEntry,
  targetsBody,
  targetsJson,
} from '../../shared/trust/tuf/repository.ts';
import { createOfflineSigner, type OfflineSigner } from '../keys/offline-signer.ts';

/** What an operator's own machine holds: three root shares of which two sign, and the targets key. */
export interface OfflineKeys {
  readonly root: readonly OfflineSigner[];
  readonly targets: OfflineSigner;
}

const lifeMs = 30 * 86_400_000;
const newKey = (): OfflineSigner => createOfflineSigner(new Uint8Array(randomBytes(32)));

export const createOfflineKeys = (): OfflineKeys => ({
  root: [newKey(), newKey(), newKey()],
  targets: newKey(),
});

/** A key that nobody vouches for. */
export const createStrangersKey = newKey;

const grant = (keys: readonly Uint8Array[], threshold: number): RoleGrant => ({
  keys: keys.map(ed25519Key),
  threshold,
});

export function signFirstRoot(offline: OfflineKeys, online: KeyStore, nowMs: number): Uint8Array {
  const roles = {
    root: grant(
      offline.root.map(({ publicKey }) => publicKey),
      2,
    ),
    targets: grant([offline.targets.publicKey], 1),
    snapshot: grant([online.signer('snapshot').publicKey], 1),
    timestamp: grant([online.signer('timestamp').publicKey], 1),
  };
  const body = rootBody({ version: 1, expiresAtMs: nowMs + lifeMs, roles });
  return signBody(
    body,
    offline.root.slice(0, 2).map(({ sign }) => sign),
  );
}

/** The fixed targets: who directs, and what must not run. */
export const fixedTargetsOf = (online: KeyStore): ReadonlyMap<string, Uint8Array> =>
  new Map([
    [
      'director.json',
      utf8(
        canonicalJson({
          version: 1,
          keys: [hexOf(online.signer('director').publicKey)],
          auditKeys: [hexOf(online.signer('audit').publicKey)],
        }),
      ),
    ],
    ['revoked.json', utf8(canonicalJson({ revoked: [] }))],
  ]);

type Body = ReturnType<typeof targetsBody>;

/** The unsigned first targets file; a fleet's federated role is delegated to the server's key for it. */
export function firstTargets(
  targets: readonly TargetEntry[],
  fleet: { readonly name: string; readonly federated: Uint8Array; readonly nowMs: number },
): Body {
  const role = {
    name: `federated-${fleet.name}`,
    paths: [`federated/${fleet.name}/*`],
    terminating: true,
    ...grant([fleet.federated], 1),
  };
  return {
    ...targetsBody({ version: 1, expiresAtMs: fleet.nowMs + lifeMs, targets }),
    delegations: delegationsJson([role]),
  };
}

/** The next unsigned targets file: what was signed before, and these. */
export function nextTargets(before: Body, added: readonly TargetEntry[], nowMs: number): Body {
  const known = before['targets'] as Body;
  return nextBody(before, {
    expiresAtMs: nowMs + lifeMs,
    change: { targets: { ...known, ...targetsJson(added) } },
  });
}
