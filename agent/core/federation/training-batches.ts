import { createPrng, shuffled } from '../../../shared/core/prng.ts';
import type { Tensor } from '../../../shared/ports/inference-runtime.ts';
import type { Example } from './example-sample.ts';

/** Examples in the order of one pass, drawn from the seed, cut into steps. */
export function batchesOf(
  examples: readonly Example[],
  pass: { readonly batchRows: number; readonly seed: string },
): readonly (readonly Example[])[] {
  const order = shuffled(examples, createPrng(pass.seed));
  const batches: (readonly Example[])[] = [];
  for (let from = 0; from < order.length; from += pass.batchRows) {
    batches.push(order.slice(from, from + pass.batchRows));
  }
  return batches;
}

/** The model's input and `labels` for one step; the caller adds parameters and rate. */
export function batchTensors(
  batch: readonly Example[],
  input: { readonly type: Tensor['type']; readonly itemShape: readonly number[] },
): { readonly rows: Tensor; readonly labels: Tensor } {
  const rowBytes = batch[0]?.row.length ?? 0;
  const rows = new Uint8Array(batch.length * rowBytes);
  const labels = new BigInt64Array(batch.length);
  batch.forEach(({ row, label }, at) => {
    rows.set(row, at * rowBytes);
    labels[at] = BigInt(label);
  });
  return {
    rows: { type: input.type, shape: [batch.length, ...input.itemShape], bytes: rows },
    labels: { type: 'int64', shape: [batch.length], bytes: new Uint8Array(labels.buffer) },
  };
}
