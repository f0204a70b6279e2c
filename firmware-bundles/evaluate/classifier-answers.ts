import { invariant } from '../../shared/core/invariant.ts';
import type { Tensor } from '../../shared/ports/inference-runtime.ts';
import { topClass } from '../../shared/stats/answer-values.ts';
import { type Interval, wilsonInterval } from '../../shared/stats/proportion.ts';
import { float32Of } from '../onnx/tensor.ts';
import type { OnnxSession } from './onnx-session.ts';

/** Probabilities of one input after the other, each a view of `classes` numbers. */
export type Answers = readonly Float32Array[];

export interface ClassifierRows {
  /** Name of the model's input and of its probability output. */
  readonly input: string;
  readonly output: string;
  readonly type: 'uint8' | 'float32';
  /** Bytes of each row; all rows have one width. */
  readonly rows: readonly Uint8Array[];
}

const batchRows = 256;

/** Runs every row through the model, a batch at a time. */
export async function answerRows(session: OnnxSession, asked: ClassifierRows): Promise<Answers> {
  const answers: Float32Array[] = [];
  for (let from = 0; from < asked.rows.length; from += batchRows) {
    const batch = asked.rows.slice(from, from + batchRows);
    const outputs = await session.run({ [asked.input]: stack(batch, asked.type) });
    const tensor = outputs.get(asked.output);
    invariant(tensor !== undefined, `the model has no output ${asked.output}`);
    const values = float32Of(tensor);
    const classes = values.length / batch.length;
    batch.forEach((_, row) => answers.push(values.subarray(row * classes, (row + 1) * classes)));
  }
  return answers;
}

/** Rows of equal width as one tensor [rows, width]. */
export function stack(rows: readonly Uint8Array[], type: 'uint8' | 'float32'): Tensor {
  const rowBytes = rows[0]?.length ?? 0;
  const bytes = new Uint8Array(rows.length * rowBytes);
  rows.forEach((row, at) => bytes.set(row, at * rowBytes));
  return { type, shape: [rows.length, rowBytes / (type === 'uint8' ? 1 : 4)], bytes };
}

export interface Accuracy extends Interval {
  readonly n: number;
  readonly correct: number;
  readonly confidenceMean: number;
  /** Mean of -log(probability of the right class) in nats: tells two models apart that are right equally often. */
  readonly logLoss: number;
}

/** float32 softmax can give zero; a wrong answer must cost much, not everything. */
const probabilityMin = 1e-7;

/** Normal quantile of a two-sided 95 % interval. */
const z95 = 1.959963984540054;

/** Share of right answers with its Wilson interval, and how sure the model was on average. */
export function accuracyOf(answers: Answers, labels: readonly number[]): Accuracy {
  let correct = 0;
  let confidence = 0;
  let loss = 0;
  answers.forEach((probabilities, row) => {
    if (topClass(probabilities) === labels[row]) correct += 1;
    confidence += probabilities[topClass(probabilities)] ?? 0;
    loss -= Math.log(Math.max(probabilities[labels[row] ?? 0] ?? 0, probabilityMin));
  });
  const n = answers.length;
  const interval = wilsonInterval({ successes: correct, trials: n }, z95);
  const mean = (sum: number): number => (n === 0 ? 0 : sum / n);
  return { ...interval, n, correct, confidenceMean: mean(confidence), logLoss: mean(loss) };
}
