import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import type { OnlineKeyFile } from '../../../shared/contracts/online-key.ts';
import { bytesOfHex, hexOf, utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';

type Head = Pick<OnlineKeyFile, 'role' | 'publicKey'>;
type Secret = OnlineKeyFile['secret'];

/**
 * Seals and opens the seeds of one folder under one passphrase. Files that were made together share a salt, so that
 * the passphrase is stretched once and not once per key. Without a passphrase a seed stands in the clear.
 */
export class SeedSeal {
  readonly #passphrase: string | undefined;
  readonly #stretched = new Map<string, Buffer>();
  readonly #salt = hexOf(randomBytes(16));

  constructor(passphrase: string | undefined) {
    this.#passphrase = passphrase;
  }

  seal(seed: Uint8Array, head: Head): Secret {
    const key = this.#keyOf(this.#salt);
    if (key === undefined) return { kind: 'plain', seed: hexOf(seed) };
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(authenticated(head));
    const sealed = Buffer.concat([cipher.update(seed), cipher.final(), cipher.getAuthTag()]);
    return { kind: 'sealed', salt: this.#salt, nonce: hexOf(nonce), sealedSeed: hexOf(sealed) };
  }

  /** The seed, or `undefined` for a wrong or missing passphrase and for a changed file. */
  open(secret: Secret, head: Head): Uint8Array | undefined {
    if (secret.kind === 'plain') return bytesOfHex(secret.seed);
    const key = this.#keyOf(secret.salt);
    if (key === undefined) return undefined;
    const sealed = bytesOfHex(secret.sealedSeed) ?? new Uint8Array(48);
    const nonce = bytesOfHex(secret.nonce) ?? new Uint8Array(12);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce);
    decipher.setAAD(authenticated(head));
    decipher.setAuthTag(sealed.subarray(32));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(0, 32)), decipher.final()]);
    } catch {
      return undefined;
    }
  }

  #keyOf(salt: string): Buffer | undefined {
    if (this.#passphrase === undefined) return undefined;
    const known = this.#stretched.get(salt);
    if (known !== undefined) return known;
    const key = stretch(this.#passphrase, bytesOfHex(salt) ?? new Uint8Array(16));
    this.#stretched.set(salt, key);
    return key;
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
