import type { DsseEnvelope } from '../contracts/frame.ts';
import { limits } from '../contracts/limits.ts';
import { type PayloadKind, payloadTypes, type SigningRole } from '../contracts/payload-types.ts';
import {
  base64Of,
  bytesOfBase64,
  bytesOfHex,
  concatBytes,
  equalBytes,
  textOf,
  utf8,
} from '../core/bytes.ts';
import { canonicalJson } from '../core/canonical-json.ts';
import { err, ok, type Result } from '../core/result.ts';
import type { Signer } from '../ports/signer.ts';
import { openVerifyingKey, type VerifyingKey } from './ed25519.ts';

/** The keys of one role, and how many different ones must have signed. */
export interface RoleKeys<Role extends SigningRole = SigningRole> {
  readonly role: Role;
  readonly keys: readonly VerifyingKey[];
  readonly threshold: number;
}

/** The keys of an online role, one of which suffices; what is no public key in hexadecimal is passed over. */
export function anyKeyOf<Role extends SigningRole>(
  role: Role,
  publicKeysHex: readonly string[],
): RoleKeys<Role> {
  const keys = publicKeysHex.flatMap((hex) => {
    const bytes = bytesOfHex(hex);
    return bytes === undefined ? [] : (openVerifyingKey(bytes) ?? []);
  });
  return { role, keys, threshold: 1 };
}

export type RoleOf<Kind extends PayloadKind> = (typeof payloadTypes)[Kind]['role'];

export interface EnvelopeFailure {
  readonly code:
    | 'too-large'
    | 'malformed-envelope'
    | 'wrong-payload-type'
    | 'unknown-key'
    | 'signature-invalid'
    | 'threshold-unmet';
  readonly message: string;
}

/**
 * Pre-authentication encoding (DSSE protocol v1): what is signed covers the type and the payload,
 * both with their lengths.
 */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = utf8(payloadType);
  return concatBytes([utf8(`DSSEv1 ${type.length} `), type, utf8(` ${payload.length} `), payload]);
}

/** Signs payload bytes as `kind` with each signer; returns the envelope's one spelling as bytes. */
export async function signEnvelope(
  kind: PayloadKind,
  payload: Uint8Array,
  signers: readonly Signer[],
): Promise<Uint8Array> {
  const payloadType = payloadTypes[kind].type;
  const message = preAuthEncoding(payloadType, payload);
  const signatures = [];
  for (const signer of signers) {
    signatures.push({ keyid: signer.keyId, sig: base64Of(await signer.sign(message)) });
  }
  return spell({ payloadType, payload: base64Of(payload), signatures });
}

/**
 * The payload bytes, once enough different keys of the one role that may sign `kind` have signed them as `kind`.
 * There is no default kind, and the caller parses only what comes back from here. Signatures by keys
 * outside the role are passed over (DSSE protocol v1), so a rotation may sign with old and new.
 */
export function verifyEnvelope<Kind extends PayloadKind>(
  kind: Kind,
  signers: RoleKeys<RoleOf<Kind>>,
  bytes: Uint8Array,
): Result<Uint8Array, EnvelopeFailure> {
  const read = readEnvelope(bytes);
  if (!read.ok) return read;
  const { payloadType, payload: text, signatures } = read.value;
  const expected = payloadTypes[kind];
  if (payloadType !== expected.type || signers.role !== expected.role) {
    return fail('wrong-payload-type', `expected ${expected.type} of role ${expected.role}`);
  }
  const payload = bytesOfBase64(text);
  if (payload === undefined) return fail('malformed-envelope', 'payload is not base64');
  const message = preAuthEncoding(payloadType, payload);
  const known = new Map(signers.keys.map((key) => [key.keyId, key]));
  const valid = new Set<string>();
  let recognized = 0;
  for (const { keyid, sig } of signatures) {
    const key = known.get(keyid);
    if (key === undefined) continue;
    recognized += 1;
    const signature = bytesOfBase64(sig);
    if (signature !== undefined && key.verify(message, signature)) valid.add(keyid);
  }
  // A threshold below one would accept what nobody signed.
  if (valid.size >= Math.max(1, signers.threshold)) return ok(payload);
  if (recognized === 0) return fail('unknown-key', `no signature by a key of ${signers.role}`);
  return valid.size === 0
    ? fail('signature-invalid', `no valid signature by a key of ${signers.role}`)
    : fail('threshold-unmet', `${valid.size} of ${signers.threshold} keys have signed`);
}

const keyIdForm = /^[0-9a-f]{64}$/;
const payloadForm = /^[A-Za-z0-9+/]*={0,2}$/;
const signatureForm = /^[A-Za-z0-9+/]{86}==$/;

/**
 * Reads the one spelling that `signEnvelope` writes. Comparing with it refuses duplicate keys,
 * unknown fields, `__proto__`
 * and second spellings at once, so two envelopes are the same exactly when their bytes are.
 */
export function readEnvelope(bytes: Uint8Array): Result<DsseEnvelope, EnvelopeFailure> {
  if (bytes.length > limits.envelopeBytesMax) {
    return fail('too-large', `${bytes.length} bytes, at most ${limits.envelopeBytesMax}`);
  }
  const envelope = pickEnvelope(parseJson(bytes));
  return envelope !== undefined && equalBytes(spell(envelope), bytes)
    ? ok(envelope)
    : fail('malformed-envelope', 'not the one spelling of a DSSE envelope');
}

const spell = (envelope: DsseEnvelope): Uint8Array =>
  utf8(
    canonicalJson({
      payload: envelope.payload,
      payloadType: envelope.payloadType,
      signatures: envelope.signatures.map(({ keyid, sig }) => ({ keyid, sig })),
    }),
  );

function pickEnvelope(value: unknown): DsseEnvelope | undefined {
  if (!isRecord(value)) return undefined;
  const { payloadType, payload, signatures } = value;
  if (typeof payloadType !== 'string' || typeof payload !== 'string') return undefined;
  if (payloadType.length > 80 || !payloadForm.test(payload)) return undefined;
  if (!Array.isArray(signatures) || signatures.length < 1) return undefined;
  if (signatures.length > limits.envelopeSignaturesMax) return undefined;
  const picked = [];
  for (const entry of signatures as readonly unknown[]) {
    if (!isRecord(entry)) return undefined;
    const { keyid, sig } = entry;
    if (typeof keyid !== 'string' || !keyIdForm.test(keyid)) return undefined;
    if (typeof sig !== 'string' || !signatureForm.test(sig)) return undefined;
    picked.push({ keyid, sig });
  }
  return { payloadType, payload, signatures: picked };
}

interface Fields {
  readonly payloadType?: unknown;
  readonly payload?: unknown;
  readonly signatures?: unknown;
  readonly keyid?: unknown;
  readonly sig?: unknown;
}

const isRecord = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

function parseJson(bytes: Uint8Array): unknown {
  const text = textOf(bytes);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const fail = (code: EnvelopeFailure['code'], message: string): Result<never, EnvelopeFailure> =>
  err({ code, message });
