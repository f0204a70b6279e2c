import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import { createDecoder } from '../../shared/codec/validator.ts';
import { type Static, Type } from '../../shared/contracts/json-schema.ts';
import { Hex32Schema, InstantMsSchema, oneOf } from '../../shared/contracts/names.ts';
import { bytesOfHex, hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';

/** Roles whose keys never lie on the server. */
export const offlineRoles = ['root', 'targets'] as const;
export type OfflineRole = (typeof offlineRoles)[number];

const hexOfLength = (bytes: number) =>
  Type.String({ pattern: `^[0-9a-f]{${2 * bytes}}$`, maxLength: 2 * bytes });

/** One share of an offline role on disk: the seed under its holder's own passphrase. */
const KeyFileSchema = Type.Object(
  {
    format: Type.Literal('skein-offline-key/1'),
    role: oneOf(offlineRoles),
    holder: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,31}$', maxLength: 32 }),
    createdAtMs: InstantMsSchema,
    publicKey: Hex32Schema,
    /** scrypt (Percival, 2009) with N = 2^17, r = 8, p = 1: about 128 MB and a third of a second per guess. */
    salt: hexOfLength(16),
    /** AES-256-GCM over the 32-byte seed; role, holder and public key are authenticated with it. */
    nonce: hexOfLength(12),
    sealedSeed: hexOfLength(48),
  },
  { additionalProperties: false },
);
export type KeyFile = Static<typeof KeyFileSchema>;

export const decodeKeyFile = createDecoder(KeyFileSchema, 4096);

export interface NewKey {
  readonly role: OfflineRole;
  readonly holder: string;
  readonly passphrase: string;
  readonly nowMs: number;
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
}

export function sealKey(key: NewKey): KeyFile {
  const salt = randomBytes(16);
  const nonce = randomBytes(12);
  const head = { role: key.role, holder: key.holder, publicKey: hexOf(key.publicKey) };
  const cipher = createCipheriv('aes-256-gcm', stretch(key.passphrase, salt), nonce);
  cipher.setAAD(utf8(canonicalJson(head)));
  const sealed = Buffer.concat([cipher.update(key.seed), cipher.final(), cipher.getAuthTag()]);
  return {
    format: 'skein-offline-key/1',
    ...head,
    createdAtMs: key.nowMs,
    salt: hexOf(salt),
    nonce: hexOf(nonce),
    sealedSeed: hexOf(sealed),
  };
}

/** The 32-byte seed, or `wrong-passphrase` (which also means: somebody changed the file). */
export function openKey(file: KeyFile, passphrase: string): Result<Uint8Array, 'wrong-passphrase'> {
  const sealed = bytesOfHex(file.sealedSeed) ?? new Uint8Array(48);
  const nonce = bytesOfHex(file.nonce) ?? new Uint8Array(12);
  const key = stretch(passphrase, bytesOfHex(file.salt) ?? new Uint8Array(16));
  const decipher = createDecipheriv('aes-256-gcm', key, nonce);
  const { role, holder, publicKey } = file;
  decipher.setAAD(utf8(canonicalJson({ role, holder, publicKey })));
  decipher.setAuthTag(sealed.subarray(32));
  try {
    return ok(Buffer.concat([decipher.update(sealed.subarray(0, 32)), decipher.final()]));
  } catch {
    return err('wrong-passphrase');
  }
}

const stretch = (passphrase: string, salt: Uint8Array): Buffer =>
  scryptSync(passphrase.normalize('NFC'), salt, 32, {
    N: 1 << 17,
    r: 8,
    p: 1,
    maxmem: 256 * 1024 * 1024,
  });
