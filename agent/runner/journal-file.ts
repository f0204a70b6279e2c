import { limits } from '../../shared/contracts/limits.ts';
import { concatBytes } from '../../shared/core/bytes.ts';
import type { Json } from '../../shared/core/canonical-json.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import { encodeRecord, journalOverheadBytes } from '../core/journal/journal-record.ts';
import { type JournalDamage, readJournal } from '../core/journal/read-journal.ts';

export interface JournalFileOptions<T> {
  readonly disk: DeviceDisk;
  readonly path: string;
  readonly bytesMax: number;
  /** The record behind a stored value, or undefined when its form is unknown. */
  readonly parse: (value: unknown) => T | undefined;
}

export interface OpenedJournal<T> {
  readonly journal: JournalFile<T>;
  readonly records: readonly T[];
  /** `corrupt` is to be reported: acknowledged records are lost; the damaged file stands beside as `.corrupt`. */
  readonly damage: JournalDamage;
}

/**
 * An append-only, checksummed file of JSON records.
 *
 * INVARIANTS
 * - A resolved `append` survives a power cut, a `note` only with the next `append`; what a rejected one left behind
 *   is cut off before the next.
 * - One write at a time, in call order.
 * - The file never exceeds `bytesMax`; `compact` is the only way to make room.
 */
export class JournalFile<T> {
  readonly #disk: DeviceDisk;
  readonly #path: string;
  readonly #bytesMax: number;
  #intactBytes: number;
  #records: number;
  /** A failed append may have left bytes behind the intact ones. */
  #hasDebris = false;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    options: JournalFileOptions<T>,
    intact: { readonly bytes: number; readonly records: number },
  ) {
    this.#disk = options.disk;
    this.#path = options.path;
    this.#bytesMax = options.bytesMax;
    this.#intactBytes = intact.bytes;
    this.#records = intact.records;
  }

  /** Reads and repairs the file; an absent one is empty. Throws `file-too-large` and disk failures. */
  static async open<T>(options: JournalFileOptions<T>): Promise<OpenedJournal<T>> {
    const { disk, path, bytesMax } = options;
    const bytes = await disk.read(path, { bytesMax });
    const records: T[] = [];
    const { intactBytes, damage } = readJournal(bytes ?? new Uint8Array(0), (value) => {
      const record = options.parse(value);
      if (record !== undefined) records.push(record);
      return record !== undefined;
    });
    if (damage.kind === 'corrupt') await keepAside(disk, path);
    if (damage.kind !== 'none') await disk.truncate(path, intactBytes);
    const journal = new JournalFile<T>(options, { bytes: intactBytes, records: records.length });
    return { journal, records, damage };
  }

  get bytes(): number {
    return this.#intactBytes;
  }

  /** More than half of the bound is used: time to compact at the next quiet moment. */
  get isLarge(): boolean {
    return this.#intactBytes > this.#bytesMax / 2;
  }

  /** Durable when resolved. Throws `journal-full` and disk failures; after either, appending may be tried again. */
  append(record: T): Promise<void> {
    return this.appendAll([record]);
  }

  /** One write for several records. A power cut may keep the first few of them, never a later one alone. */
  appendAll(records: readonly T[]): Promise<void> {
    return this.#append(records, true);
  }

  /** As `appendAll`, but a power cut before the next durable append may take these records away. */
  note(records: readonly T[]): Promise<void> {
    return this.#append(records, false);
  }

  #append(records: readonly T[], durable: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const bytes = concatBytes(records.map((record, i) => encode(record, this.#records + i)));
      if (this.#intactBytes + bytes.length > this.#bytesMax) {
        throw new OperatingError(
          'journal-full',
          `${this.#path}: ${this.#intactBytes} of ${this.#bytesMax} bytes are used`,
        );
      }
      await this.#clearDebris();
      this.#hasDebris = true;
      await this.#disk.append(this.#path, bytes, { durable });
      this.#hasDebris = false;
      this.#intactBytes += bytes.length;
      this.#records += records.length;
    });
  }

  /** Replaces the whole content at once: after a power cut either the old or the new one is there. */
  compact(records: readonly T[]): Promise<void> {
    return this.#inTurn(async () => {
      const bytes = concatBytes(records.map((record, i) => encode(record, i)));
      invariant(
        bytes.length <= this.#bytesMax,
        `${this.#path} is compacted to more than its bound`,
      );
      await this.#disk.replace(this.#path, bytes);
      this.#hasDebris = false;
      this.#intactBytes = bytes.length;
      this.#records = records.length;
    });
  }

  async #clearDebris(): Promise<void> {
    if (!this.#hasDebris) return;
    if ((await this.#disk.size(this.#path)) !== undefined) {
      await this.#disk.truncate(this.#path, this.#intactBytes);
    }
    this.#hasDebris = false;
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(work, work);
    this.#turn = result;
    return result;
  }
}

function encode(record: unknown, sequence: number): Uint8Array {
  const bytes = encodeRecord(record as Json, sequence);
  invariant(
    bytes.length - journalOverheadBytes <= limits.journalRecordBytesMax,
    'a journal record is larger than its bound',
  );
  return bytes;
}

/** One damaged copy is kept for a person to look at; a newer one takes its place. */
async function keepAside(disk: DeviceDisk, path: string): Promise<void> {
  await disk.remove(`${path}.corrupt`);
  await disk.copy(path, `${path}.corrupt`);
}
