/** Chance as an argument: cryptographic in production, seeded and forked per subsystem in a simulation. */
export interface Random {
  bytes(length: number): Uint8Array;
  /** Uniform double in [0, 1), for jitter. */
  unit(): number;
}
