import {
  createValidator,
  parseStrictJson,
  type SchemaIssue,
} from '../../shared/codec/validator.ts';
import { Type } from '../../shared/contracts/json-schema.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { Result } from '../../shared/core/result.ts';
import type { InferRequest } from '../core/serving/infer-request.ts';

const closed = { additionalProperties: false } as const;
const Name = Type.String({ minLength: 1, maxLength: 128 });
const Parameters = Type.Record(
  Type.String({ maxLength: 64 }),
  Type.Union([Type.String({ maxLength: 256 }), Type.Number(), Type.Boolean()]),
  { maxProperties: 16 },
);

/** Open Inference Protocol V2, "Inference Request JSON Object". */
const InferRequestSchema = Type.Object(
  {
    id: Type.Optional(Type.String({ maxLength: 128 })),
    parameters: Type.Optional(Parameters),
    inputs: Type.Array(
      Type.Object(
        {
          name: Name,
          shape: Type.Array(Type.Integer({ minimum: 0 }), { maxItems: limits.tensorRankMax }),
          datatype: Type.String({ maxLength: 16 }),
          parameters: Type.Optional(Parameters),
          data: Type.Optional(Type.Unknown()),
        },
        closed,
      ),
      { minItems: 1, maxItems: limits.inferTensorsMax },
    ),
    outputs: Type.Optional(
      Type.Array(Type.Object({ name: Name, parameters: Type.Optional(Parameters) }, closed), {
        maxItems: limits.inferTensorsMax,
      }),
    ),
  },
  closed,
);

const validate = createValidator(InferRequestSchema);

/** The JSON part of a request: strict text first, then its form. */
export function readInferJson(bytes: Uint8Array): Result<InferRequest, SchemaIssue> {
  const parsed = parseStrictJson(bytes);
  if (!parsed.ok) return parsed;
  return validate(parsed.value);
}
