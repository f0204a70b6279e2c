import { tensorOfJson } from '../../agent/core/serving/tensor-codec.ts';
import { defaultAnswerProblem } from '../../shared/codec/default-answer.ts';
import {
  type BundleConfig,
  BundleConfigSchema,
  type DefaultRow,
} from '../../shared/contracts/bundle-config.ts';
import { type Static, Type } from '../../shared/contracts/json-schema.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { rowShapeOf } from '../../shared/contracts/tensor-batch.ts';
import { base64Of } from '../../shared/core/bytes.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';

const { name, shape } = BundleConfigSchema.properties.defaultAnswer.items.properties;

/** As a person writes it: numbers, in the type that the output declares. */
export const DefaultValuesSchema = Type.Array(
  Type.Object(
    {
      name,
      /** Of one row; left out where the output's shape has no symbol but the batch. */
      shape: Type.Optional(shape),
      values: Type.Array(Type.Union([Type.Number(), Type.Boolean()]), {
        maxItems: limits.defaultAnswerBytesMax,
      }),
    },
    { additionalProperties: false },
  ),
  { minItems: 1, maxItems: 16 },
);
type DefaultValues = Static<typeof DefaultValuesSchema>[number];

interface Refused {
  readonly code: 'default-answer-invalid';
  readonly message: string;
}

interface Asked extends Pick<BundleConfig, 'inputs' | 'outputs'> {
  readonly defaultAnswer?: readonly DefaultValues[];
}

/** The rows of a recipe as the bundle carries them, checked as every device will check them. */
export function composeDefaultAnswer(recipe: Asked): Result<DefaultRow[] | undefined, Refused> {
  const { defaultAnswer: asked, inputs, outputs } = recipe;
  if (asked === undefined) return ok(undefined);
  const rows: DefaultRow[] = [];
  for (const one of asked) {
    const row = rowOf(one, outputs);
    if (!row.ok) return row;
    rows.push(row.value);
  }
  const problem = defaultAnswerProblem({ inputs, outputs, defaultAnswer: rows });
  return problem === undefined ? ok(rows) : refused(problem);
}

function rowOf(asked: DefaultValues, outputs: Asked['outputs']): Result<DefaultRow, Refused> {
  const output = outputs.find((one) => one.name === asked.name);
  if (output === undefined) return refused(`the model declares no output ${asked.name}`);
  const declared = rowShapeOf(output).filter((size) => typeof size === 'number');
  const form = { name: output.name, type: output.type, shape: asked.shape ?? declared };
  const tensor = tensorOfJson(form, asked.values);
  return tensor.ok
    ? ok({ ...form, base64: base64Of(tensor.value.bytes) })
    : refused(tensor.error.message);
}

const refused = (message: string): Result<never, Refused> =>
  err({ code: 'default-answer-invalid', message });
