import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { base64Of, bytesOfBase64, concatBytes, hexOf, utf8 } from '../../../shared/core/bytes.ts';
import { type AppName, isAppName } from '../../../shared/core/ids.ts';
import type { DeviceDisk } from '../../../shared/ports/device-disk.ts';
import { hmacSha256 } from '../../../shared/trust/hash.ts';
import { type Example, ExampleSample } from '../../core/federation/example-sample.ts';
import { readExample, type UnkeyedExample } from '../../core/federation/read-example.ts';
import type { InferenceInput } from '../../core/inference/prepare-input.ts';
import { JournalFile } from '../journal-file.ts';

interface StoredExample {
  readonly app: AppName;
  readonly key: string;
  readonly row: string;
  readonly label: number;
}

export interface ExampleIndexOptions {
  readonly disk: DeviceDisk;
  readonly path: string;
  /** Device-specific bytes that key the sample, so that nobody outside can choose what is kept. */
  readonly salt: Uint8Array;
}

/** The device's own labelled examples, bounded and on its disk. Nothing here is ever sent. */
export class ExampleIndex {
  readonly #journal: JournalFile<StoredExample>;
  readonly #salt: Uint8Array;
  readonly #sample: ExampleSample;

  private constructor(
    journal: JournalFile<StoredExample>,
    sample: ExampleSample,
    salt: Uint8Array,
  ) {
    this.#journal = journal;
    this.#sample = sample;
    this.#salt = salt;
  }

  /** Throws disk failures. A damaged tail costs the examples behind it, nothing else. */
  static async open({ disk, path, salt }: ExampleIndexOptions): Promise<ExampleIndex> {
    const bytesMax = limits.exampleJournalBytesMax;
    const opened = await JournalFile.open({ disk, path, bytesMax, parse: parseStored });
    const sample = new ExampleSample();
    for (const record of opened.records) {
      const row = bytesOfBase64(record.row);
      if (row !== undefined) sample.add({ ...record, row });
    }
    return new ExampleIndex(opened.journal, sample, salt);
  }

  /** Remembers a labelled input of a federable bundle, if it falls into the sample. Durable when resolved. */
  async offer(
    config: BundleConfig,
    input: InferenceInput,
    label: string | undefined,
  ): Promise<boolean> {
    const example = readExample(config, input, label);
    return example !== undefined && (await this.keepAll([example])) > 0;
  }

  /** Keeps those that fall into the sample, in one write; how many did. Durable when resolved. */
  async keepAll(examples: readonly UnkeyedExample[]): Promise<number> {
    const kept = examples
      .map((example) => ({ ...example, key: this.#keyOf(example) }))
      .filter((example) => this.#sample.add(example));
    if (kept.length === 0) return 0;
    if (this.#journal.isLarge) await this.#journal.compact(this.#sample.all().map(stored));
    else await this.#journal.appendAll(kept.map(stored));
    return kept.length;
  }

  /** Those whose rows have this many bytes: another version of the app may have had other inputs. */
  of(app: AppName, rowBytes: number): readonly Example[] {
    return this.#sample.of(app).filter(({ row }) => row.length === rowBytes);
  }

  #keyOf({ label, row }: UnkeyedExample): string {
    return hexOf(hmacSha256(this.#salt, concatBytes([utf8(`${label}/`), row]))).slice(0, 32);
  }
}

const stored = ({ app, key, row, label }: Example): StoredExample => ({
  app,
  key,
  row: base64Of(row),
  label,
});

function parseStored(value: unknown): StoredExample | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { app, key, row, label } = value as Readonly<Record<string, unknown>>;
  return typeof app === 'string' &&
    isAppName(app) &&
    typeof key === 'string' &&
    typeof row === 'string' &&
    typeof label === 'number'
    ? { app, key, row, label }
    : undefined;
}
