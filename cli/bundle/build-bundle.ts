import { arch, cpus, platform } from 'node:os';
import { recordGolden } from '../../firmware-bundles/evaluate/golden-vectors.ts';
import { openOnnxSession, runtimeName } from '../../firmware-bundles/evaluate/onnx-session.ts';
import { referenceProfile } from '../../firmware-bundles/evaluate/reference-profile.ts';
import { type ExternalModel, externalize } from '../../firmware-bundles/onnx/external-data.ts';
import { readModel } from '../../firmware-bundles/onnx/model-reader.ts';
import { float32Of } from '../../firmware-bundles/onnx/tensor.ts';
import {
  precisionProblem,
  weightPrecisionOf,
} from '../../firmware-bundles/onnx/weight-precision.ts';
import { type PackedBundle, packBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import type {
  BundleConfig,
  GoldenVectors,
  WeightPrecision,
} from '../../shared/contracts/bundle-config.ts';
import { bytesOfBase64 } from '../../shared/core/bytes.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Tensor } from '../../shared/ports/inference-runtime.ts';
import { topClass } from '../../shared/stats/answer-values.ts';
import { composeDefaultAnswer } from './default-answer.ts';
import type { Calibration, Recipe, RecipeProblem } from './recipe-file.ts';

type Evidence = BundleConfig['variants'][number]['evidence'];
type InputSet = Readonly<Record<string, Tensor>>;

/** What a variant answered on the calibration inputs, and how long it took. */
interface Measured {
  readonly model: ExternalModel;
  readonly precision: WeightPrecision | undefined;
  readonly answers: GoldenVectors['vectors'];
  readonly latencyP50Ms: number;
}

/**
 * From model files and calibration inputs to a bundle: every variant is run here on every input. The first one is the
 * reference: its answers are the golden vectors and the profile, and the others are compared with it.
 */
export async function buildBundle(
  { recipe, calibration, models }: Recipe,
  nowMs: number,
): Promise<Result<PackedBundle, RecipeProblem>> {
  const given = composeDefaultAnswer(recipe);
  if (!given.ok) return given;
  const { variants, golden, postprocessing, lineage, ...named } = recipe;
  const measured = new Map<string, Measured>();
  for (const [id, bytes] of models) {
    const model = readModel(bytes);
    if (!model.ok) return err({ code: model.error.code, message: `${id}: ${model.error.message}` });
    const precision = weightPrecisionOf(model.value);
    const claimed = variants.find((variant) => variant.id === id)?.precision;
    const problem = precisionProblem(claimed, precision);
    if (problem !== undefined) return err({ ...problem, message: `${id}: ${problem.message}` });
    measured.set(id, await measure({ model: externalize(model.value), precision }, calibration));
  }
  const [reference] = [...measured.values()];
  invariant(reference !== undefined, 'a recipe has a variant');
  const { calibration: _path, defaultAnswer: _asked, ...rest } = named;
  const classes = classesIn(postprocessing);
  return ok(
    packBundle({
      ...rest,
      ...(given.value === undefined ? {} : { defaultAnswer: given.value }),
      postprocessing,
      variants: variants.map(({ id, constraints, session }) => {
        const own = measured.get(id) ?? reference;
        const evidence = evidenceOf(own, reference, classes?.output);
        const { model, precision } = own;
        const told = precision === undefined ? {} : { precision };
        return { id, constraints, ...told, session, evidence, model };
      }),
      golden: {
        vectors: { vectors: reference.answers.slice(0, golden.count) },
        tolerance: golden.tolerance,
      },
      profile:
        classes === undefined
          ? { n: 0, monitored: [] }
          : referenceProfile(outputsOf(reference, classes.output), classes.labels),
      lineage: { ...lineage, createdAtMs: nowMs },
    }),
  );
}

async function measure(
  { model, precision }: Pick<Measured, 'model' | 'precision'>,
  { vectors }: Calibration,
): Promise<Measured> {
  const session = await openOnnxSession(model);
  try {
    const inputs = vectors.map((vector) => inputSet(vector.inputs));
    const { vectors: answers } = await recordGolden(session, inputs);
    const timesMs: number[] = [];
    for (const input of inputs) {
      const startMs = performance.now();
      await session.run(input);
      timesMs.push(performance.now() - startMs);
    }
    timesMs.sort((a, b) => a - b);
    return { model, precision, answers, latencyP50Ms: timesMs[timesMs.length >> 1] ?? 0 };
  } finally {
    await session.close();
  }
}

const inputSet = (inputs: Calibration['vectors'][number]['inputs']): InputSet =>
  Object.fromEntries(
    inputs.map(({ name, type, shape, base64 }) => [
      name,
      { type, shape, bytes: bytesOfBase64(base64) ?? new Uint8Array(0) },
    ]),
  );

/** Agreement: the share of inputs on which the same class wins; without classes, on which all numbers are equal. */
function evidenceOf(own: Measured, reference: Measured, output: string | undefined): Evidence {
  const same = own.answers.filter((answer, place) => {
    const other = reference.answers[place];
    if (other === undefined) return false;
    if (output === undefined) return JSON.stringify(answer) === JSON.stringify(other);
    return classOf(answer, output) === classOf(other, output);
  });
  const tensorBytes = [...own.model.tensors.values()].reduce((sum, { length }) => sum + length, 0);
  return {
    agreement: same.length / own.answers.length,
    bytes: own.model.graph.length + tensorBytes,
    latencyP50Ms: own.latencyP50Ms,
    machineClass: `${platform()}-${arch()} ${cpus()[0]?.model ?? 'cpu'}`.slice(0, 128),
    runtime: runtimeName.slice(0, 32),
  };
}

const classesIn = (post: BundleConfig['postprocessing']) =>
  post.kind === 'classify' ? post : undefined;

const outputsOf = ({ answers }: Measured, output: string): readonly Float32Array[] =>
  answers.map((answer) => probabilities(answer, output));

const classOf = (answer: GoldenVectors['vectors'][number], output: string): number =>
  topClass(probabilities(answer, output));

function probabilities(
  { outputs }: GoldenVectors['vectors'][number],
  output: string,
): Float32Array {
  const found = outputs.find(({ name }) => name === output);
  invariant(found !== undefined, `the model has no output ${output}`);
  const { type, shape, base64 } = found;
  return float32Of({ type, shape, bytes: bytesOfBase64(base64) ?? new Uint8Array(0) });
}
