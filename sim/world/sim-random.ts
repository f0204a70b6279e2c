import { createPrng, type Prng } from '../../shared/core/prng.ts';
import type { Random } from '../../shared/ports/random.ts';

/** Seeded chance. Each subsystem draws from its own fork, so one more draw in a room does not shift another. */
export class SimRandom implements Random {
  readonly #prng: Prng;

  constructor(seed: string | Prng) {
    this.#prng = typeof seed === 'string' ? createPrng(seed) : seed;
  }

  bytes(length: number): Uint8Array {
    return new Uint8Array(length).map(() => this.#prng.nextUint32() >>> 24);
  }

  unit(): number {
    return this.#prng.nextUnit();
  }

  fork(label: string): SimRandom {
    return new SimRandom(this.#prng.fork(label));
  }
}
