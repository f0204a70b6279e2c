import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Tensor } from '../../../shared/ports/inference-runtime.ts';
import { byteBigramCounts } from '../../../shared/stats/byte-features.ts';

/** Raw bytes of one thing to look at, or tensors that a caller has prepared. */
export type InferenceInput =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'tensors'; readonly tensors: ReadonlyMap<string, Tensor> };

/** The bundle's declared pre-processing, done here as it was done in the workshop. */
export function prepareInput(
  config: BundleConfig,
  input: InferenceInput,
): Result<
  ReadonlyMap<string, Tensor>,
  { readonly code: 'inference-input-mismatch'; readonly message: string }
> {
  if (input.kind === 'tensors') return ok(input.tensors);
  const { preprocessing } = config;
  const [first] = config.inputs;
  if (preprocessing.kind === 'none' || first === undefined) {
    const message = `${config.name} takes tensors, not bytes`;
    return err({ code: 'inference-input-mismatch', message });
  }
  const counts = byteBigramCounts(input.bytes, preprocessing);
  return ok(new Map([[first.name, countsTensor(counts, first.type)]]));
}

function countsTensor(counts: Uint8Array, type: Tensor['type']): Tensor {
  const shape = [1, counts.length];
  if (type === 'uint8') return { type, shape, bytes: counts };
  return { type: 'float32', shape, bytes: new Uint8Array(Float32Array.from(counts).buffer) };
}
