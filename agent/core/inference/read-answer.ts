import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Tensor } from '../../../shared/ports/inference-runtime.ts';
import { answerValue, topClass } from '../../../shared/stats/answer-values.ts';

export interface Answer {
  /** Class index, or -1 for a model that does not classify. */
  readonly predicted: number;
  readonly label: string | undefined;
  /** Probability of the top class; 0 where there is none. */
  readonly confidence: number;
  /** Monitored values in the order of the profile. */
  readonly values: readonly number[];
}

/**
 * The bundle's declared post-processing of the first row. A probability that is no number makes the
 * answer an error.
 */
export function readAnswer(
  config: BundleConfig,
  outputs: ReadonlyMap<string, Tensor>,
  inputBytes: number,
): Result<Answer, { readonly code: 'answer-not-finite' | 'answer-form-unexpected' }> {
  const { postprocessing, profile } = config;
  if (postprocessing.kind === 'none') {
    return ok({ predicted: -1, label: undefined, confidence: 0, values: [] });
  }
  const probabilities = rowOf(outputs.get(postprocessing.output), postprocessing.labels.length);
  if (probabilities === undefined) return err({ code: 'answer-form-unexpected' });
  if (!probabilities.every(Number.isFinite)) return err({ code: 'answer-not-finite' });
  const predicted = topClass(probabilities);
  return ok({
    predicted,
    label: postprocessing.labels[predicted],
    confidence: probabilities[predicted] ?? 0,
    values: profile.monitored.map(({ source }) =>
      answerValue(source, { probabilities, inputBytes }),
    ),
  });
}

function rowOf(tensor: Tensor | undefined, length: number): Float32Array | undefined {
  if (tensor?.type !== 'float32' || tensor.bytes.length < 4 * length) return undefined;
  const { buffer, byteOffset } = tensor.bytes;
  return byteOffset % 4 === 0
    ? new Float32Array(buffer, byteOffset, length)
    : new Float32Array(tensor.bytes.slice(0, 4 * length).buffer);
}
