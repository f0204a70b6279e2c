import { readLayout } from '../../firmware-bundles/pack/oci-layout.ts';
import { type PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { decodeGolden } from '../../shared/codec/bundle.ts';
import type { OnnxAllowance } from '../../shared/codec/onnx-allowance.ts';
import { guardOnnx } from '../../shared/codec/onnx-guard.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';

export interface LayoutProblem {
  readonly code: string;
  readonly message: string;
}

/** Reads a layout as a device will: every hash, the configuration, the golden vectors, every graph past the guard. */
export async function checkLayout(
  folder: string,
  allow: OnnxAllowance,
): Promise<Result<PackedBundle, LayoutProblem>> {
  const bundle = await readLayout(folder);
  return bundle.ok ? checkBundle(bundle.value, allow) : bundle;
}

export function checkBundle(
  bundle: PackedBundle,
  allow: OnnxAllowance,
): Result<PackedBundle, LayoutProblem> {
  const { config, blobs } = bundle;
  const bytesOf = (digest: Digest): Uint8Array => blobs.get(digest) ?? new Uint8Array(0);
  const golden = decodeGolden(bytesOf(config.golden.blob));
  if (!golden.ok) return err(golden.error);
  const graphs = config.variants.map(({ id, graph, tensors }) => ({
    id,
    graph,
    external: new Map(tensors.map(({ location, digest }) => [location, bytesOf(digest).length])),
  }));
  if (config.training !== undefined) {
    graphs.push({ id: 'training', graph: config.training.graph, external: new Map() });
  }
  for (const { id, graph, external } of graphs) {
    const guarded = guardOnnx(bytesOf(graph), { blobs: external, allow });
    if (!guarded.ok) {
      return err({ code: guarded.error.code, message: `graph ${id}: ${guarded.error.message}` });
    }
  }
  return ok(bundle);
}
