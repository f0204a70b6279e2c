import type { BundleConfig, MonitoredValue } from '../../shared/contracts/bundle-config.ts';
import { answerValue } from '../../shared/stats/answer-values.ts';
import { binOf } from '../../shared/stats/bins.ts';
import type { Answers } from './classifier-answers.ts';

/** Inner edges; probabilities crowd at both ends, so the bins are narrow there. */
const probabilityEdges = [0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99];
const confidenceEdges = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];
const entropyShares = [0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8];

/**
 * The reference a device's windows are compared with: answers on inputs the model did not learn, counted over fixed
 * edges. Watched are the confidence, the entropy and each class's probability.
 */
export function referenceProfile(
  answers: Answers,
  labels: readonly string[],
): BundleConfig['profile'] {
  const entropyMax = Math.log(labels.length);
  const watched: readonly Omit<MonitoredValue, 'counts'>[] = [
    { name: 'confidence', source: { kind: 'confidence' }, edges: confidenceEdges },
    {
      name: 'entropy',
      source: { kind: 'entropy' },
      edges: entropyShares.map((share) => share * entropyMax),
    },
    ...labels.map((label, index) => ({
      name: `probability.${label}`,
      source: { kind: 'class-probability' as const, index },
      edges: probabilityEdges,
    })),
  ];
  const monitored = watched.map((value) => {
    const counts = new Array<number>(value.edges.length + 1).fill(0);
    const edges = Float64Array.from(value.edges);
    for (const probabilities of answers) {
      const bin = binOf(edges, answerValue(value.source, { probabilities, inputBytes: 0 }));
      counts[bin] = (counts[bin] ?? 0) + 1;
    }
    return { ...value, counts };
  });
  return { n: answers.length, monitored };
}
