import { fromBinary } from '@bufbuild/protobuf';
import { skimOnnx } from '../../shared/codec/onnx-guard.ts';
import type { OnnxRefusal } from '../../shared/codec/onnx-guard-fields.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { ModelProto } from './generated/onnx_pb.ts';
import { ModelProtoSchema } from './generated/onnx_pb.ts';

/**
 * Parses an ONNX model. Size, nesting and form are bounded first by the same skimmer the agent uses; fields
 * this release does not know are kept and written again. Tensor data are views into `bytes`.
 */
export function readModel(bytes: Uint8Array): Result<ModelProto, OnnxRefusal> {
  if (bytes.length > limits.onnxModelBytesMax) {
    return err({
      code: 'onnx-too-large',
      message: `the model exceeds ${limits.onnxModelBytesMax} bytes`,
    });
  }
  const skimmed = skimOnnx(bytes, 'skip');
  if (!skimmed.ok) return skimmed;
  if (!skimmed.value.values.has('graph')) {
    return err({ code: 'onnx-malformed', message: 'the model has no graph' });
  }
  try {
    return ok(fromBinary(ModelProtoSchema, bytes));
  } catch (error) {
    const message = error instanceof Error ? error.message : 'the parser failed';
    return err({ code: 'onnx-malformed', message });
  }
}
