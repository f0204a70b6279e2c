import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerValue, entropyNats, topClass } from './answer-values.ts';
import { binOf } from './bins.ts';

describe('binOf', () => {
  it('for any value, gives the number of edges at or below it', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { maxLength: 63 }),
        fc.integer({ min: -60, max: 60 }),
        (unsorted, value) => {
          const edges = [...unsorted].sort((a, b) => a - b);
          expect(binOf(edges, value)).toBe(edges.filter((edge) => edge <= value).length);
        },
      ),
    );
  });

  it('for what is not a number, gives the last bin', () => {
    expect(binOf([0, 1], Number.NaN)).toBe(2);
  });
});

describe('answerValue', () => {
  const answer = { probabilities: Float32Array.of(0.25, 0.5, 0.25), inputBytes: 77 };

  it('for each source, gives its value', () => {
    expect(answerValue({ kind: 'confidence' }, answer)).toBe(0.5);
    expect(answerValue({ kind: 'class-probability', index: 2 }, answer)).toBe(0.25);
    expect(answerValue({ kind: 'input-bytes' }, answer)).toBe(77);
    // 1/2 ln 2 + 2 * 1/4 ln 4 = 3/2 ln 2
    expect(answerValue({ kind: 'entropy' }, answer)).toBeCloseTo(1.5 * Math.LN2, 12);
  });

  it('when a class is certain, has no entropy', () => {
    expect(entropyNats([0, 1, 0])).toBe(0);
  });

  it('when probabilities are equal or absent, names the first or none', () => {
    expect(topClass([0.5, 0.5])).toBe(0);
    expect(topClass([])).toBe(-1);
    expect(answerValue({ kind: 'confidence' }, { probabilities: [], inputBytes: 0 })).toBeNaN();
  });

  it('when every probability is NaN, names no class', () => {
    expect(topClass([Number.NaN, Number.NaN])).toBe(-1);
  });
});

const threeClasses = { probabilities: [0.5, 0.25, 0.25], inputBytes: 12 };

describe('answerValue of three classes', () => {
  it('gives the entropy in nats', () => {
    expect(answerValue({ kind: 'entropy' }, threeClasses)).toBeCloseTo(1.5 * Math.LN2, 12);
    const sure = { probabilities: [1, 0], inputBytes: 0 };
    expect(answerValue({ kind: 'entropy' }, sure)).toBe(0);
  });

  it('gives the largest probability, one class, or the size of the input', () => {
    expect(answerValue({ kind: 'confidence' }, threeClasses)).toBe(0.5);
    expect(answerValue({ kind: 'class-probability', index: 2 }, threeClasses)).toBe(0.25);
    expect(answerValue({ kind: 'input-bytes' }, threeClasses)).toBe(12);
  });

  it('gives no number for a class the model does not have', () => {
    expect(answerValue({ kind: 'class-probability', index: 3 }, threeClasses)).toBeNaN();
  });
});

describe('topClass of equals', () => {
  it('takes the first of equals', () => {
    expect(topClass([0.2, 0.4, 0.4])).toBe(1);
  });
});
