import { randomBytes, randomFillSync } from 'node:crypto';
import type { Random } from '../../ports/random.ts';

/** 53 random bits over 2^53: every double of that grid in [0, 1) is equally likely. */
function unit(): number {
  const words = randomFillSync(new Uint32Array(2));
  return (((words[0] ?? 0) >>> 5) * 67108864 + ((words[1] ?? 0) >>> 6)) / 9007199254740992;
}

export const cryptoRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  unit,
};
