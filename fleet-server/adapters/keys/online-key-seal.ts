import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import type { OnlineKeyFile } from '../../../shared/contracts/online-key.ts';
import { bytesOfHex, hexOf, utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';

type Head = Pick<OnlineKeyFile, 'role' | 'publicKey'>;
type Secret = OnlineKeyFile['secret'];

/** Without a passphrase the seed stands in the clear, and the file's mode alone protects it. */
export function sealSeed(seed: Uint8Array, head: Head, passphrase: string | undefined): Secret {
  if (passphrase === undefined) return { kind: 'plain', seed: hexOf(seed) };
  const salt = randomBytes(16);
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', stretch(passphrase, salt), nonce);
  cipher.setAAD(authenticated(head));
  const sealed = Buffer.concat([cipher.update(seed), cipher.final(), cipher.getAuthTag()]);
  return {
    kind: 'sealed',
    salt: hexOf(salt),
    nonce: hexOf(nonce),
    sealedSeed: hexOf(sealed),
  };
}

/** The seed, or `undefined` for a wrong or missing passphrase and for a changed file. */
export function openSeed(
  secret: Secret,
  head: Head,
  passphrase: string | undefined,
): Uint8Array | undefined {
  if (secret.kind === 'plain') return bytesOfHex(secret.seed);
  if (passphrase === undefined) return undefined;
  const bytes = (hex: string): Uint8Array => bytesOfHex(hex) ?? new Uint8Array(0);
  const sealed = bytes(secret.sealedSeed);
  const key = stretch(passphrase, bytes(secret.salt));
  const decipher = createDecipheriv('aes-256-gcm', key, bytes(secret.nonce));
  decipher.setAAD(authenticated(head));
  decipher.setAuthTag(sealed.subarray(32));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, 32)), decipher.final()]);
  } catch {
    return undefined;
  }
}

const authenticated = ({ role, publicKey }: Head): Uint8Array =>
  utf8(canonicalJson({ role, publicKey }));

const stretch = (passphrase: string, salt: Uint8Array): Buffer =>
  scryptSync(passphrase.normalize('NFC'), salt, 32, {
    N: 1 << 17,
    r: 8,
    p: 1,
    maxmem: 256 * 1024 * 1024,
  });
