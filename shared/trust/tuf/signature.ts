import { Key, Signature } from '@tufjs/models';
import type { JsonObject } from '../strict-json.ts';
import type { KeyRing, RoleKeys, SignedFile } from './metadata.ts';

/**
 * 5.3.4 and its sisters: does a threshold of *different* keys of the role sign this file? A key that stands under two
 * ids counts once, an id without key or with a bad signature not at all.
 */
export function meetsThreshold(
  file: SignedFile<unknown>,
  delegator: KeyRing,
  role: RoleKeys | undefined,
): boolean {
  return role !== undefined && countSigners(file, delegator, role) >= role.threshold;
}

/** Different keys of the role that sign this file. */
export function countSigners(
  file: SignedFile<unknown>,
  delegator: KeyRing,
  role: RoleKeys,
): number {
  const signers = new Set<string>();
  for (const keyId of role.keyIds) {
    const key = delegator.keys.get(keyId);
    const sig = file.signatures.get(keyId);
    if (key === undefined || sig === undefined) continue;
    if (isSignedBy(file.signed, key.json, { keyID: keyId, sig })) {
      signers.add(`${key.keytype} ${key.publicKey}`);
    }
  }
  return signers.size;
}

/** The library verifies by node:crypto over the OLPC canonical form of what was parsed. */
function isSignedBy(
  signed: JsonObject,
  key: JsonObject,
  claim: { readonly keyID: string; readonly sig: string },
): boolean {
  const signable = {
    signatures: { [claim.keyID]: new Signature(claim) },
    signed: { toJSON: () => signed },
  };
  try {
    Key.fromJSON(claim.keyID, key as ModelJson).verifySignature(signable as unknown as Signable);
    return true;
  } catch {
    // Unknown key type, unreadable key, wrong signature: each simply does not count.
    return false;
  }
}

type ModelJson = Parameters<typeof Key.fromJSON>[1];
type Signable = Parameters<Key['verifySignature']>[0];
