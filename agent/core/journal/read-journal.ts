import { decodeRecord } from './journal-record.ts';

/**
 * What a journal holds. `torn`: the last write was cut, which a power cut does to every file; nothing that was
 * acknowledged is lost. `corrupt`: intact records lie behind a damaged place, so acknowledged ones are lost.
 */
export interface JournalReading {
  readonly values: readonly unknown[];
  /** Length of the intact prefix; what lies behind is cut off before the next append. */
  readonly intactBytes: number;
  readonly damage: JournalDamage;
}

export type JournalDamage =
  | { readonly kind: 'none' }
  | { readonly kind: 'torn'; readonly lostBytes: number }
  | {
      readonly kind: 'corrupt';
      readonly code: 'journal-corrupt';
      readonly atByte: number;
      readonly lostBytes: number;
      /** Whole records behind the damage; they are not used, because what they built on is gone. */
      readonly strandedRecords: number;
    };

/**
 * Reads the longest intact prefix. Never throws, whatever the bytes are. `accepts` looks at each value's form: an
 * intact record of an unknown form ends the prefix too, because what came after builds on it.
 */
export function readJournal(
  bytes: Uint8Array,
  accepts: (value: unknown) => boolean = () => true,
): JournalReading {
  const values: unknown[] = [];
  let at = 0;
  while (at < bytes.length) {
    const decoded = decodeRecord(bytes, at);
    if (decoded?.record.sequence !== values.length || !accepts(decoded.record.value)) break;
    values.push(decoded.record.value);
    at = decoded.end;
  }
  return { values, intactBytes: at, damage: damageBehind(bytes, at) };
}

function damageBehind(bytes: Uint8Array, at: number): JournalDamage {
  const lostBytes = bytes.length - at;
  if (lostBytes === 0) return { kind: 'none' };
  const strandedRecords = countRecords(bytes, at);
  if (strandedRecords === 0) return { kind: 'torn', lostBytes };
  return { kind: 'corrupt', code: 'journal-corrupt', atByte: at, lostBytes, strandedRecords };
}

/** Tries every byte: the line feed before the next record may be what was damaged. */
function countRecords(bytes: Uint8Array, from: number): number {
  let records = 0;
  let at = from;
  while (at < bytes.length) {
    const end = decodeRecord(bytes, at)?.end;
    if (end !== undefined) records += 1;
    at = end ?? at + 1;
  }
  return records;
}
