import type { BundleConfig, GoldenVectors } from '../../shared/contracts/bundle-config.ts';
import type { CandidateEvidence } from '../../shared/contracts/federation.ts';
import { bytesOfBase64 } from '../../shared/core/bytes.ts';
import type { Tensor } from '../../shared/ports/inference-runtime.ts';
import { topClass } from '../../shared/stats/answer-values.ts';
import { float32Of } from '../onnx/tensor.ts';
import type { Bench, EvaluatedGraph } from './bench.ts';
import { type Accuracy, accuracyOf, answerRows } from './classifier-answers.ts';
import type { HeldOutSet } from './held-out-set.ts';
import type { OnnxSession } from './onnx-session.ts';

export interface GraphFacts {
  readonly accuracy: Accuracy;
  readonly golden: Pick<CandidateEvidence, 'goldenAgreement' | 'goldenDifference'>;
  /** Median milliseconds of one golden input, one thread. */
  readonly latencyP50Ms: number;
}

export interface EvaluationSets {
  readonly heldOut: HeldOutSet;
  readonly golden: GoldenVectors;
}

/** Held-out accuracy, golden differences and latency of one graph on a bench. */
export async function evaluateGraph(
  config: BundleConfig,
  model: EvaluatedGraph,
  { bench, heldOut, golden: vectors }: EvaluationSets & { readonly bench: Bench },
): Promise<GraphFacts> {
  const [input] = config.inputs;
  const { postprocessing } = config;
  if (input === undefined || postprocessing.kind !== 'classify') {
    throw new TypeError('only classifiers with one input are evaluated');
  }
  const type = input.type === 'uint8' ? 'uint8' : 'float32';
  const session = await bench.openSession(model);
  try {
    const { rows, labels } = heldOut;
    const asked = { input: input.name, output: postprocessing.output, type, rows } as const;
    const accuracy = accuracyOf(await answerRows(session, asked), labels);
    const asking = { session, bench, output: postprocessing.output };
    const { golden, latencyP50Ms } = await runGolden(asking, vectors);
    return { accuracy, golden, latencyP50Ms };
  } finally {
    await session.close();
  }
}

async function runGolden(
  asking: { readonly session: OnnxSession; readonly bench: Bench; readonly output: string },
  { vectors }: GoldenVectors,
): Promise<Pick<GraphFacts, 'golden' | 'latencyP50Ms'>> {
  const { session, bench, output } = asking;
  let same = 0;
  let goldenDifference = 0;
  const times: number[] = [];
  for (const vector of vectors) {
    const inputs = Object.fromEntries(vector.inputs.map((tensor) => [tensor.name, read(tensor)]));
    const beganMs = bench.monotonicMs();
    const answers = await session.run(inputs);
    times.push(bench.monotonicMs() - beganMs);
    for (const expected of vector.outputs) {
      if (expected.type !== 'float32') continue;
      const wanted = float32Of(read(expected));
      const answer = answers.get(expected.name);
      const got = answer === undefined ? new Float32Array() : float32Of(answer);
      wanted.forEach((value, at) => {
        goldenDifference = Math.max(goldenDifference, Math.abs(value - (got[at] ?? NaN)));
      });
      if (expected.name === output && topClass(got) === topClass(wanted)) same += 1;
    }
  }
  times.sort((a, b) => a - b);
  return {
    golden: { goldenAgreement: same / vectors.length, goldenDifference },
    latencyP50Ms: times[times.length >> 1] ?? 0,
  };
}

const read = (tensor: GoldenVectors['vectors'][number]['inputs'][number]): Tensor => ({
  type: tensor.type,
  shape: tensor.shape,
  bytes: bytesOfBase64(tensor.base64) ?? new Uint8Array(),
});

/** More right answers; of equally many, the surer ones. The gate set is held out, so no interval is asked here. */
export const isBetter = (
  candidate: Pick<Accuracy, 'correct' | 'logLoss'>,
  base: Pick<Accuracy, 'correct' | 'logLoss'>,
): boolean =>
  candidate.correct > base.correct ||
  (candidate.correct === base.correct && candidate.logLoss < base.logLoss);
