/**
 * Seeded pseudo-random numbers for simulations, splits and shuffles; never for keys.
 * xoshiro128** (Blackman and Vigna, 2018), seeded through a 32-bit FNV-1a/splitmix expansion of the label, so `fork`
 * gives streams that do not shift when another room draws more.
 */
export interface Prng {
  /** Uniform integer in [0, 2^32). */
  nextUint32(): number;
  /** Uniform double in [0, 1) with 53 bits. */
  nextUnit(): number;
  /** Uniform integer in [0, bound), without modulo bias. `bound` in 1..2^32. */
  nextBelow(bound: number): number;
  /** An independent stream named `label`; drawing from it does not move this one. */
  fork(label: string): Prng;
}

export function createPrng(seed: string): Prng {
  const state = expandSeed(seed);
  let [s0, s1, s2, s3] = state;

  const nextUint32 = (): number => {
    const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
    const t = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= t;
    s3 = rotateLeft(s3, 11);
    return result;
  };

  return {
    nextUint32,
    nextUnit: () => ((nextUint32() >>> 5) * 67108864 + (nextUint32() >>> 6)) / 9007199254740992,
    nextBelow: (bound) => {
      const limit = 4294967296 - (4294967296 % bound);
      for (;;) {
        const drawn = nextUint32();
        if (drawn < limit) return drawn % bound;
      }
    },
    fork: (label) => createPrng(`${seed}/${label}`),
  };
}

/** Fisher-Yates; returns a new array. */
export function shuffled<T>(items: readonly T[], prng: Prng): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i -= 1) {
    const j = prng.nextBelow(i + 1);
    const swap = result[i] as T;
    result[i] = result[j] as T;
    result[j] = swap;
  }
  return result;
}

const rotateLeft = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

function expandSeed(seed: string): [number, number, number, number] {
  let hash = 0x811c9dc5;
  for (let i = 0; i < seed.length; i += 1) {
    hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193);
  }
  const words: number[] = [];
  for (let i = 0; i < 4; i += 1) {
    hash = (hash + 0x9e3779b9) | 0;
    let z = hash ^ Math.imul(seed.length + 1, 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    words.push((z ^ (z >>> 15)) | 0);
  }
  const [a = 1, b = 2, c = 3, d = 4] = words;
  return a === 0 && b === 0 && c === 0 && d === 0 ? [1, 2, 3, 4] : [a, b, c, d];
}
