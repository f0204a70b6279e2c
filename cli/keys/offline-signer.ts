import nacl from 'tweetnacl';
import { hexOf } from '../../shared/core/bytes.ts';
import { ed25519Key, type TufSign } from '../../shared/trust/tuf/repository.ts';

/** Signs offline in plain JavaScript: no native and no network package is loaded while a key is open. */
export interface OfflineSigner {
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly sign: TufSign;
}

/** From a 32-byte seed (RFC 8032, section 5.1.5). */
export function createOfflineSigner(seed: Uint8Array): OfflineSigner {
  const pair = nacl.sign.keyPair.fromSeed(seed);
  const { keyId } = ed25519Key(pair.publicKey);
  return {
    publicKey: pair.publicKey,
    sign: (bytes) => ({ keyid: keyId, sig: hexOf(nacl.sign.detached(bytes, pair.secretKey)) }),
  };
}
