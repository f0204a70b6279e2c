import { describe, expect, it } from 'vitest';
import { createPrng } from '../../shared/core/prng.ts';
import { fitSoftmaxRegression } from './softmax-regression.ts';

/** Points in the plane, one class per third of the circle. */
function circle(count: number) {
  const prng = createPrng('circle');
  const labels = new Uint8Array(count);
  const values = new Float32Array(2 * count);
  for (let i = 0; i < count; i += 1) {
    const angle = 2 * Math.PI * prng.nextUnit();
    labels[i] = Math.floor((3 * angle) / (2 * Math.PI));
    values[2 * i] = Math.cos(angle);
    values[2 * i + 1] = Math.sin(angle);
  }
  const columns = Uint16Array.from(values, (_, at) => at % 2);
  const starts = Uint32Array.from({ length: count + 1 }, (_, row) => 2 * row);
  return { rows: { starts, columns, values }, labels, features: 2, classes: 3 };
}

const options = { epochs: 20, learningRate: 0.5, decay: 0, seed: 'fit' };

describe('fitSoftmaxRegression', () => {
  it('separates classes that a plane separates', () => {
    const problem = circle(600);
    const { weights, bias } = fitSoftmaxRegression(problem, options);
    let correct = 0;
    problem.labels.forEach((label, i) => {
      const scores = [0, 1, 2].map(
        (c) =>
          bias[c]! +
          problem.rows.values[2 * i]! * weights[c]! +
          problem.rows.values[2 * i + 1]! * weights[3 + c]!,
      );
      if (scores.indexOf(Math.max(...scores)) === label) correct += 1;
    });
    expect(correct / 600).toBeGreaterThan(0.97);
  });

  it('gives the same weights for the same data and seed, others for another seed', () => {
    const first = fitSoftmaxRegression(circle(100), options);
    expect(fitSoftmaxRegression(circle(100), options)).toEqual(first);
    expect(fitSoftmaxRegression(circle(100), { ...options, seed: 'other' })).not.toEqual(first);
  });
});
