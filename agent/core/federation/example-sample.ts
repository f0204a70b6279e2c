import { limits } from '../../../shared/contracts/limits.ts';
import type { AppName } from '../../../shared/core/ids.ts';

/** One labelled input of this device. It is written to this device's disk and to nowhere else. */
export interface Example {
  readonly app: AppName;
  /** Keyed hash of row and label, hexadecimal: its name, and its place in the order of what is kept. */
  readonly key: string;
  /** The model's first input for one item. */
  readonly row: Uint8Array;
  /** Place of the right class in the bundle's labels. */
  readonly label: number;
}

/**
 * A uniform sample of the different examples seen: those with the smallest keys are kept (bottom-k sketch: Cohen and
 * Kaplan, 2007). An example that comes again is the same one, and writing grows rarer the more was seen.
 */
export class ExampleSample {
  readonly #byApp = new Map<AppName, Example[]>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** By key. */
  of(app: AppName): readonly Example[] {
    return this.#byApp.get(app) ?? [];
  }

  all(): readonly Example[] {
    return [...this.#byApp.keys()].sort().flatMap((app) => this.of(app));
  }

  /** False when it is known already, or belongs to none of the smallest keys that fit. */
  add(example: Example): boolean {
    const bytes = example.row.length;
    if (bytes === 0 || bytes > limits.exampleBytesMax) return false;
    const kept = this.#byApp.get(example.app) ?? [];
    const place = kept.findIndex(({ key }) => key >= example.key);
    if (place >= 0 && kept[place]?.key === example.key) return false;
    const isLast = place < 0;
    if (isLast && (kept.length >= limits.examplesMax || !this.#fits(bytes))) return false;
    const next = isLast
      ? [...kept, example]
      : [...kept.slice(0, place), example, ...kept.slice(place)];
    this.#byApp.set(example.app, next);
    this.#bytes += bytes;
    while (next.length > limits.examplesMax || !this.#fits(0)) {
      const gone = next.pop();
      if (gone === undefined) break;
      this.#bytes -= gone.row.length;
    }
    return true;
  }

  #fits(more: number): boolean {
    return this.#bytes + more <= limits.examplesBytesMax;
  }
}
