import type { GoldenVectors } from '../../../shared/contracts/bundle-config.ts';
import { bytesOfBase64 } from '../../../shared/core/bytes.ts';
import type { Tensor } from '../../../shared/ports/inference-runtime.ts';

type GoldenTensor = GoldenVectors['vectors'][number]['inputs'][number];

/** A golden tensor as the runtime takes it; `undefined` when its text is no base64 of the declared size. */
export function tensorOfGolden(golden: GoldenTensor): Tensor | undefined {
  const bytes = bytesOfBase64(golden.base64);
  return bytes === undefined ? undefined : { type: golden.type, shape: golden.shape, bytes };
}

/**
 * Largest absolute difference over the declared outputs, or infinity when one is missing, has another form or holds
 * no number. A tolerance and not a hash, because kernels of one runtime already differ in the last bits.
 */
export function goldenDistance(
  expected: readonly GoldenTensor[],
  outputs: ReadonlyMap<string, Tensor>,
): number {
  return expected.reduce((most, golden) => {
    const actual = outputs.get(golden.name);
    const wanted = tensorOfGolden(golden);
    const distance =
      actual === undefined || wanted === undefined
        ? Number.POSITIVE_INFINITY
        : distanceOf(wanted, actual);
    return Math.max(most, distance);
  }, 0);
}

function distanceOf(wanted: Tensor, actual: Tensor): number {
  const isSameForm = wanted.type === actual.type && wanted.shape.join() === actual.shape.join();
  if (!isSameForm || wanted.bytes.length !== actual.bytes.length) return Number.POSITIVE_INFINITY;
  if (wanted.type !== 'float32') {
    return wanted.bytes.every((byte, i) => byte === actual.bytes[i]) ? 0 : Number.POSITIVE_INFINITY;
  }
  const a = new Float32Array(wanted.bytes.slice().buffer);
  const b = new Float32Array(actual.bytes.slice().buffer);
  let most = 0;
  for (let i = 0; i < a.length; i += 1) {
    const difference = Math.abs((a[i] ?? 0) - (b[i] ?? 0));
    if (!(difference <= most))
      most = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return most;
}
