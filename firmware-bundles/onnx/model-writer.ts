import { toBinary } from '@bufbuild/protobuf';
import type { ModelProto } from './generated/onnx_pb.ts';
import { ModelProtoSchema } from './generated/onnx_pb.ts';

/** The model's bytes: fields by number, unknown fields last, the same bytes for the same model. */
export const writeModel = (model: ModelProto): Uint8Array => toBinary(ModelProtoSchema, model);
