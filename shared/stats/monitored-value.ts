/** What the monitor watches of one answer; the tagged sources of a bundle's reference profile. */
export type MonitoredSource =
  | { readonly kind: 'confidence' }
  | { readonly kind: 'entropy' }
  | { readonly kind: 'class-probability'; readonly index: number }
  | { readonly kind: 'input-bytes' };

export interface MonitoredAnswer {
  readonly probabilities: ArrayLike<number>;
  /** Bytes of raw input the features were computed from. */
  readonly inputBytes: number;
}

/**
 * The number a source stands for: confidence = the largest probability, entropy in nats (Shannon, 1948). Workshop
 * and agent use this one function, so a profile and a window count the same thing.
 */
export function monitoredValueOf(source: MonitoredSource, answer: MonitoredAnswer): number {
  switch (source.kind) {
    case 'confidence':
      return confidenceOf(answer.probabilities);
    case 'entropy':
      return entropyOf(answer.probabilities);
    case 'class-probability':
      return answer.probabilities[source.index] ?? Number.NaN;
    case 'input-bytes':
      return answer.inputBytes;
  }
}

export function confidenceOf(probabilities: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < probabilities.length; i += 1) {
    largest = Math.max(largest, probabilities[i] ?? 0);
  }
  return largest;
}

export function entropyOf(probabilities: ArrayLike<number>): number {
  let nats = 0;
  for (let i = 0; i < probabilities.length; i += 1) {
    const p = probabilities[i] ?? 0;
    if (p > 0) nats -= p * Math.log(p);
  }
  return nats;
}

/** Index of the largest probability, the first of equals. */
export function predictedClass(probabilities: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < probabilities.length; i += 1) {
    if ((probabilities[i] ?? 0) > (probabilities[best] ?? 0)) best = i;
  }
  return best;
}
