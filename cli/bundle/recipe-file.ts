import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { emptyRange } from '../../shared/codec/bundle.ts';
import { createDecoder, createValidator } from '../../shared/codec/validator.ts';
import { BundleConfigSchema, GoldenVectorsSchema } from '../../shared/contracts/bundle-config.ts';
import { type Static, Type } from '../../shared/contracts/json-schema.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import { DefaultValuesSchema } from './default-answer.ts';

const closed = { additionalProperties: false } as const;
const { properties: known } = BundleConfigSchema;
const { properties: variant } = known.variants.items;
const { commit, dataDigest, parameters, license } = known.lineage.properties;
const Path = Type.String({ minLength: 1, maxLength: 1024 });

/** What a person writes: the bundle's own fields, with files by path instead of blobs by digest. */
export const RecipeSchema = Type.Object(
  {
    name: known.name,
    version: known.version,
    parent: known.parent,
    inputs: known.inputs,
    outputs: known.outputs,
    preprocessing: known.preprocessing,
    postprocessing: known.postprocessing,
    variants: Type.Array(
      Type.Object(
        {
          id: variant.id,
          /** An ONNX file, weights inside; large tensors move out when it is packed. */
          model: Path,
          constraints: variant.constraints,
          /** Told from the graph when absent; a claim that the graph does not bear out is refused. */
          precision: variant.precision,
          session: variant.session,
        },
        closed,
      ),
      { minItems: 1, maxItems: 16 },
    ),
    /** JSON with `vectors`, each a set of `inputs`: what the model is run on here. */
    calibration: Path,
    golden: Type.Object(
      {
        /** How many of the calibration inputs every device must reproduce. */
        count: Type.Integer({ minimum: 1, maximum: 256 }),
        tolerance: known.golden.properties.tolerance,
      },
      closed,
    ),
    probation: known.probation,
    limits: known.limits,
    guards: known.guards,
    stale: known.stale,
    /** One constant row per output, for the case that no model may run. */
    defaultAnswer: Type.Optional(DefaultValuesSchema),
    minAgent: known.minAgent,
    lineage: Type.Optional(Type.Object({ commit, dataDigest, parameters, license }, closed)),
  },
  closed,
);
export type RecipeFile = Static<typeof RecipeSchema>;

const CalibrationSchema = Type.Object(
  {
    vectors: Type.Array(
      Type.Object(
        { inputs: GoldenVectorsSchema.properties.vectors.items.properties.inputs },
        closed,
      ),
      { minItems: 1, maxItems: 4096 },
    ),
  },
  closed,
);
export type Calibration = Static<typeof CalibrationSchema>;

const validateRecipe = createValidator(RecipeSchema);
const decodeCalibration = createDecoder(CalibrationSchema, limits.goldenBytesMax);

export interface Recipe {
  readonly recipe: RecipeFile;
  readonly calibration: Calibration;
  /** Model bytes by variant id. */
  readonly models: ReadonlyMap<string, Uint8Array>;
}

export interface RecipeProblem {
  readonly code: string;
  readonly message: string;
}

/** A recipe in YAML or JSON, with the files it names, which are looked for beside it. */
export async function readRecipe(path: string): Promise<Result<Recipe, RecipeProblem>> {
  let value: unknown;
  try {
    value = parse(await readFile(path, 'utf8'), { uniqueKeys: true, maxAliasCount: 0 });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : 'not readable';
    return err({ code: 'malformed-json', message: `${path}: ${message}` });
  }
  const recipe = validateRecipe(value);
  if (!recipe.ok) {
    const { code, pointer, message } = recipe.error;
    return err({ code, message: `${path}${pointer}: ${message}` });
  }
  const problem = emptyRange(recipe.value.variants);
  if (problem !== undefined) {
    return err({ code: 'schema-mismatch', message: `${path}: ${problem}` });
  }
  const beside = (file: string): string => resolve(dirname(path), file);
  const calibration = decodeCalibration(await readFile(beside(recipe.value.calibration)));
  if (!calibration.ok) {
    const { code, pointer, message } = calibration.error;
    return err({ code, message: `${recipe.value.calibration}${pointer}: ${message}` });
  }
  const models = new Map<string, Uint8Array>();
  for (const { id, model } of recipe.value.variants) models.set(id, await readFile(beside(model)));
  return ok({ recipe: recipe.value, calibration: calibration.value, models });
}
