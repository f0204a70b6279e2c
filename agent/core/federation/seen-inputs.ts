import type { InferenceInput } from '../inference/prepare-input.ts';

/** Bytes of an input that its fingerprint looks at. */
const looks = 64;

/**
 * Tells an input that came a moment ago from a new one, for less than its preparation costs: a device that looks at the
 * same things again and again would otherwise prepare each of them twice. Two inputs that are taken for one cost an
 * example, nothing else.
 */
export class SeenInputs {
  readonly #max: number;
  #recent = new Set<number>();
  #older: ReadonlySet<number> = new Set();

  constructor(max: number) {
    this.#max = max;
  }

  has(print: number): boolean {
    return this.#recent.has(print) || this.#older.has(print);
  }

  add(print: number): void {
    if (this.#recent.size >= this.#max) {
      this.#older = this.#recent;
      this.#recent = new Set();
    }
    this.#recent.add(print);
  }
}

/** 32 bits of FNV-1a (Fowler, Noll and Vo, 1991) over label, length and bytes at even distances. */
export function fingerprintOf(input: InferenceInput, label: string): number {
  let hash = 0x811c9dc5;
  const mix = (value: number): void => {
    hash = Math.imul(hash ^ (value & 0xff), 0x01000193);
  };
  for (let at = 0; at < label.length; at += 1) mix(label.charCodeAt(at));
  const parts =
    input.kind === 'bytes' ? [input.bytes] : [...input.tensors.values()].map(({ bytes }) => bytes);
  for (const bytes of parts) {
    for (let shift = 0; shift < 32; shift += 8) mix(bytes.length >>> shift);
    const step = Math.max(1, Math.floor(bytes.length / looks));
    for (let at = 0; at < bytes.length; at += step) mix(bytes[at] ?? 0);
  }
  return hash >>> 0;
}
