import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
} from 'node:crypto';
import { canonicalize } from '@tufjs/canonical-json';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import { sha256, sha256Hex } from '../../shared/trust/hash.ts';
import type { JsonObject } from '../../shared/trust/strict-json.ts';
import { ed25519Key, type TufPublicKey, type TufSign } from '../../shared/trust/tuf/repository.ts';

/** A key pair that signs for real. */
export interface TestSigner {
  readonly key: TufPublicKey;
  readonly sign: TufSign;
}

/** PKCS #8 around a bare Ed25519 seed (RFC 8410, section 7). */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The same label gives the same key, so that a failing test can be run again. */
export function ed25519Signer(label: string): TestSigner {
  const seed = sha256(utf8(`test key ${label}`));
  const der = Buffer.concat([pkcs8Head, seed]);
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' });
  const key = ed25519Key(spki.subarray(-32));
  return {
    key,
    sign: (bytes) => ({ keyid: key.keyId, sig: hexOf(signBytes(undefined, bytes, secret)) }),
  };
}

export function ecdsaSigner(): TestSigner {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return pemSigner({ keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256' }, publicKey, (bytes) =>
    signBytes('sha256', bytes, privateKey),
  );
}

export function rsaPssSigner(): TestSigner {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  return pemSigner({ keytype: 'rsa', scheme: 'rsassa-pss-sha256' }, publicKey, (bytes) =>
    signBytes('sha256', bytes, { key, padding: 6, saltLength: 32 }),
  );
}

/** The same key with more fields in its object, and the id that follows from them. */
export function withKeyFields(signer: TestSigner, fields: JsonObject): TestSigner {
  const json = { ...signer.key.json, ...fields };
  const keyId = keyIdOf(json);
  return {
    key: { keyId, json },
    sign: (bytes) => ({ keyid: keyId, sig: signer.sign(bytes).sig }),
  };
}

function pemSigner(
  kind: { readonly keytype: string; readonly scheme: string },
  publicKey: KeyObject,
  sign: (bytes: Uint8Array) => Uint8Array,
): TestSigner {
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const json = { ...kind, keyval: { public: pem } };
  const keyId = keyIdOf(json);
  return { key: { keyId, json }, sign: (bytes) => ({ keyid: keyId, sig: hexOf(sign(bytes)) }) };
}

const keyIdOf = (json: JsonObject): string => sha256Hex(utf8(canonicalize(json)));
