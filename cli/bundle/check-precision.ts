import { readModel } from '../../firmware-bundles/onnx/model-reader.ts';
import {
  precisionProblem,
  weightPrecisionOf,
} from '../../firmware-bundles/onnx/weight-precision.ts';
import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { LayoutProblem } from './check-layout.ts';

/** What each variant says its weights are stored as, against its graph. It parses graphs, so signing does without. */
export function checkPrecision({ config, blobs }: PackedBundle): Result<void, LayoutProblem> {
  for (const { id, precision, graph } of config.variants) {
    if (precision === undefined) continue;
    const model = readModel(blobs.get(graph) ?? new Uint8Array(0));
    const problem = model.ok
      ? precisionProblem(precision, weightPrecisionOf(model.value))
      : model.error;
    if (problem !== undefined) {
      return err({ code: problem.code, message: `variant ${id}: ${problem.message}` });
    }
  }
  return ok(undefined);
}
