import { describe, expect, it } from 'vitest';
import { highestCommonProtocol } from './protocol-range.ts';

describe('highestCommonProtocol', () => {
  it('is the highest version that both sides name', () => {
    expect(highestCommonProtocol({ min: 1, max: 3 }, { min: 2, max: 5 })).toBe(3);
    expect(highestCommonProtocol({ min: 2, max: 5 }, { min: 1, max: 3 })).toBe(3);
    expect(highestCommonProtocol({ min: 1, max: 1 }, { min: 1, max: 9 })).toBe(1);
  });

  it('is none where the ranges do not meet, and where one of them is no range', () => {
    expect(highestCommonProtocol({ min: 1, max: 1 }, { min: 2, max: 3 })).toBeNull();
    expect(highestCommonProtocol({ min: 4, max: 9 }, { min: 1, max: 3 })).toBeNull();
    expect(highestCommonProtocol({ min: 1, max: 9 }, { min: 3, max: 2 })).toBeNull();
  });
});
