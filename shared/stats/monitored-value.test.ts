import { describe, expect, it } from 'vitest';
import { monitoredValueOf, predictedClass } from './monitored-value.ts';

const answer = { probabilities: [0.5, 0.25, 0.25], inputBytes: 12 };

describe('monitoredValueOf', () => {
  it('gives the entropy in nats', () => {
    expect(monitoredValueOf({ kind: 'entropy' }, answer)).toBeCloseTo(1.5 * Math.LN2, 12);
    const sure = { probabilities: [1, 0], inputBytes: 0 };
    expect(monitoredValueOf({ kind: 'entropy' }, sure)).toBe(0);
  });

  it('gives the largest probability, one class, or the size of the input', () => {
    expect(monitoredValueOf({ kind: 'confidence' }, answer)).toBe(0.5);
    expect(monitoredValueOf({ kind: 'class-probability', index: 2 }, answer)).toBe(0.25);
    expect(monitoredValueOf({ kind: 'input-bytes' }, answer)).toBe(12);
  });

  it('gives no number for a class the model does not have', () => {
    expect(monitoredValueOf({ kind: 'class-probability', index: 3 }, answer)).toBeNaN();
  });
});

describe('predictedClass', () => {
  it('takes the first of equals', () => {
    expect(predictedClass([0.2, 0.4, 0.4])).toBe(1);
  });
});
