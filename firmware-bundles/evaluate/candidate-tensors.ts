import { float32View } from '../../shared/codec/federated-update.ts';
import type { BundleConfig, BundleVariant } from '../../shared/contracts/bundle-config.ts';
import { equalBytes } from '../../shared/core/bytes.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import { bytesOfArray } from '../onnx/tensor.ts';
import { quantizeWeights } from '../optimize/quantize-weights.ts';

export interface RecipeRefusal {
  readonly code: 'candidate-recipe-unknown';
  readonly message: string;
}

export type Blobs = ReadonlyMap<Digest, Uint8Array>;

/**
 * What a variant runs, made of float32 parameters: int8 with a scale per column where the variant has
 * `<name>_scale`, float32 otherwise. The recipe first proves itself on the parent: from its own parameters it must make
 * the parent's very bytes, or else a candidate would differ by more than its training.
 */
export function remakeTensors(
  parent: { readonly config: BundleConfig; readonly blobs: Blobs },
  variant: BundleVariant,
  parameters: readonly Float32Array[],
): Result<ReadonlyMap<string, Uint8Array>, RecipeRefusal> {
  const before = new Map(
    variant.tensors.map(({ location, digest }) => [location, parent.blobs.get(digest)]),
  );
  const made = new Map<string, Uint8Array>();
  for (const [index, { name, shape, blob }] of (
    parent.config.training?.parameters ?? []
  ).entries()) {
    const initial = parent.blobs.get(blob);
    const values = parameters[index];
    if (!before.has(name) || initial === undefined || values === undefined) {
      return refuse(`${variant.id} has no tensor at ${name}`);
    }
    const isQuantized = before.has(`${name}_scale`);
    const columns = shape.at(-1) ?? 1;
    const proof = tensorsOf(name, float32View(initial), { isQuantized, columns });
    for (const [location, bytes] of proof) {
      if (!equalBytes(bytes, before.get(location) ?? new Uint8Array())) {
        return refuse(`${variant.id}/${location} is not made of ${name} in this way`);
      }
    }
    for (const [location, bytes] of tensorsOf(name, values, { isQuantized, columns })) {
      made.set(location, bytes);
    }
  }
  return ok(made);
}

function tensorsOf(
  name: string,
  values: Float32Array,
  form: { readonly isQuantized: boolean; readonly columns: number },
): ReadonlyMap<string, Uint8Array> {
  if (!form.isQuantized) return new Map([[name, bytesOfArray(values)]]);
  const { int8, scales } = quantizeWeights(values, form.columns);
  return new Map([
    [name, bytesOfArray(int8)],
    [`${name}_scale`, bytesOfArray(scales)],
  ]);
}

const refuse = (message: string) => err({ code: 'candidate-recipe-unknown' as const, message });
