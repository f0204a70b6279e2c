import { concatBytes, textOf, utf8 } from '../../../shared/core/bytes.ts';
import type { Json } from '../../../shared/core/canonical-json.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import { crc32c } from './crc32c.ts';

/**
 * One record is one line: length, sequence and CRC-32C (8 lower-case hexadecimal digits each), a space, JSON, a line
 * feed. The checksum covers everything but itself. JSON text holds no raw line feed, so a reader finds the next
 * record behind a damaged one, and a person can read the file. The sequence rises by one from 0 in each file:
 * a record that is whole but in the wrong place (a stale block, a lost neighbour) is damage too.
 */
export interface JournalRecord {
  readonly sequence: number;
  readonly value: unknown;
}

const lineFeed = 10;
const space = 32;
const lengthDigits = 8;
const checkedDigits = 16;
const headerBytes = 25;
/** Bytes a record costs beyond its JSON. */
export const journalOverheadBytes = headerBytes + 1;

const hex8 = (value: number): string => value.toString(16).padStart(8, '0');

/** `sequence` is the number of records before this one in the same file. */
export function encodeRecord(value: Json, sequence: number): Uint8Array {
  invariant(sequence <= 0xffffffff, 'a journal is compacted long before its sequence overflows');
  const payload = utf8(JSON.stringify(value));
  const checked = concatBytes([utf8(hex8(payload.length) + hex8(sequence)), payload]);
  const header = utf8(`${hex8(payload.length)}${hex8(sequence)}${hex8(crc32c(checked))} `);
  return concatBytes([header, payload, Uint8Array.of(lineFeed)]);
}

/** The intact record that starts at `at`, with the offset behind it; `undefined` when there is none. */
export function decodeRecord(
  bytes: Uint8Array,
  at: number,
): { readonly record: JournalRecord; readonly end: number } | undefined {
  const length = readHex(bytes, at);
  const sequence = readHex(bytes, at + lengthDigits);
  const sum = readHex(bytes, at + checkedDigits);
  if (length === undefined || sequence === undefined || sum === undefined) return undefined;
  const payloadAt = at + headerBytes;
  const end = payloadAt + length + 1;
  if (end > bytes.length || bytes[payloadAt - 1] !== space || bytes[end - 1] !== lineFeed) {
    return undefined;
  }
  const payload = bytes.subarray(payloadAt, end - 1);
  if (crc32c(concatBytes([bytes.subarray(at, at + checkedDigits), payload])) !== sum) {
    return undefined;
  }
  const value = parseJson(payload);
  return value === undefined ? undefined : { record: { sequence, value: value.json }, end };
}

/** Eight lower-case hexadecimal digits; upper case would give one record two spellings. */
function readHex(bytes: Uint8Array, at: number): number | undefined {
  let value = 0;
  for (let i = at; i < at + 8; i += 1) {
    const byte = bytes[i] ?? 0;
    const digit = byte >= 48 && byte <= 57 ? byte - 48 : byte >= 97 && byte <= 102 ? byte - 87 : -1;
    if (digit < 0) return undefined;
    value = value * 16 + digit;
  }
  return value;
}

function parseJson(payload: Uint8Array): { readonly json: unknown } | undefined {
  const text = textOf(payload);
  if (text === undefined) return undefined;
  try {
    return { json: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}
