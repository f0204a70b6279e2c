import type { BundleConfig, DefaultRow } from '../../../shared/contracts/bundle-config.ts';
import { inputMisfit } from '../../../shared/contracts/input-misfit.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { batchOf } from '../../../shared/contracts/tensor-batch.ts';
import { bytesOfBase64 } from '../../../shared/core/bytes.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Tensor } from '../../../shared/ports/inference-runtime.ts';
import { type InferenceInput, prepareInput } from './prepare-input.ts';
import { type Answer, readAnswer } from './read-answer.ts';

export interface DefaultAnswer extends Answer {
  readonly outputs: ReadonlyMap<string, Tensor>;
}

interface Refused {
  readonly code: 'inference-input-mismatch' | 'too-large';
  readonly message: string;
}

type Signature = BundleConfig['inputs'][number];
type Inputs = ReadonlyMap<string, Tensor>;

/**
 * The bundle's constant rows, one per input row. The question is checked as the model would have checked it: a mistake
 * of the caller stays one.
 */
export function answerByDefault(
  config: BundleConfig,
  rows: readonly DefaultRow[],
  input: InferenceInput,
): Result<DefaultAnswer, Refused> {
  const prepared = prepareInput(config, input);
  if (!prepared.ok) return prepared;
  const inputs = prepared.value;
  const wrong = inputMisfit(config.inputs, inputs);
  if (wrong !== undefined) return err({ code: 'inference-input-mismatch', message: wrong });
  const one = new Map(rows.map((row) => [row.name, oneRow(row)] as const));
  const counts = new Map(
    config.outputs.map((output) => [output.name, rowsAsked(config, output, inputs)] as const),
  );
  let bytes = 0;
  for (const [name, row] of one) bytes += row.bytes.length * (counts.get(name) ?? 1);
  if (bytes > limits.inferBodyBytesMax) {
    const message = `${bytes} bytes of answer, at most ${limits.inferBodyBytesMax}`;
    return err({ code: 'too-large', message });
  }
  const outputs = new Map(
    [...one].map(([name, row]) => [name, repeated(row, counts.get(name))] as const),
  );
  const read = readAnswer(config, one, 0);
  // A default row need not look like probabilities: then it has no class either.
  const answer = read.ok ? read.value : unnamed;
  return ok({ ...answer, outputs });
}

const unnamed: Answer = { predicted: -1, label: undefined, confidence: 0, values: [] };

/** `undefined` for an output without a batch: it has one form, whatever is asked. */
function rowsAsked(config: BundleConfig, output: Signature, inputs: Inputs): number | undefined {
  const batch = batchOf(output);
  if (batch === undefined) return undefined;
  const input = config.inputs.find((one) => batchOf(one) === batch);
  return inputs.get(input?.name ?? '')?.shape[0] ?? 1;
}

const oneRow = ({ type, shape, base64 }: DefaultRow): Tensor => ({
  ...{ type, shape },
  bytes: bytesOfBase64(base64) ?? new Uint8Array(0),
});

function repeated(row: Tensor, count: number | undefined): Tensor {
  if (count === undefined) return row;
  const bytes = new Uint8Array(row.bytes.length * count);
  for (let at = 0; at < count; at += 1) bytes.set(row.bytes, at * row.bytes.length);
  return { type: row.type, shape: [count, ...row.shape], bytes };
}
