/**
 * The values of one answer that are compared with the bundle's reference profile. Workshop and device both use
 * this file: a profile made with another definition than the device's would read as drift from the first day.
 */
export type AnswerValueSource =
  | { readonly kind: 'confidence' }
  | { readonly kind: 'entropy' }
  | { readonly kind: 'class-probability'; readonly index: number }
  | { readonly kind: 'input-bytes' };

export interface ClassifiedAnswer {
  /** One probability per class. */
  readonly probabilities: ArrayLike<number>;
  /** Length of the raw input before preprocessing, bytes. */
  readonly inputBytes: number;
}

/** Index of the largest probability, the first of equals; -1 without classes. */
export function topClass(probabilities: ArrayLike<number>): number {
  let top = -1;
  let best = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < probabilities.length; i += 1) {
    const probability = probabilities[i] ?? 0;
    if (probability > best) {
      best = probability;
      top = i;
    }
  }
  return top;
}

/** Shannon entropy of the class probabilities, nats; 0 ln 0 = 0. */
export function entropyNats(probabilities: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < probabilities.length; i += 1) {
    const probability = probabilities[i] ?? 0;
    if (probability !== 0) sum -= probability * Math.log(probability);
  }
  return sum;
}

/** Unit: share for confidence and class probability, nats for entropy, bytes for the input. */
export function answerValue(source: AnswerValueSource, answer: ClassifiedAnswer): number {
  switch (source.kind) {
    case 'confidence':
      return answer.probabilities[topClass(answer.probabilities)] ?? Number.NaN;
    case 'entropy':
      return entropyNats(answer.probabilities);
    case 'class-probability':
      return answer.probabilities[source.index] ?? Number.NaN;
    case 'input-bytes':
      return answer.inputBytes;
  }
}
