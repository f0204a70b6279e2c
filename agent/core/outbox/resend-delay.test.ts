import { expect, test } from 'vitest';
import { limits } from '../../../shared/contracts/limits.ts';
import { resendDelayMs } from './resend-delay.ts';

const { resendMs, resendMsMax } = limits;
const delays = (unit: number, widthMs = 0) =>
  [0, 1, 2, 60].map((tries) => resendDelayMs({ tries, widthMs, unit }));

test('given turn after turn without progress, the delay doubles up to its bound', () => {
  expect(delays(1)).toEqual([resendMs, 2 * resendMs, 4 * resendMs, resendMsMax]);
});

test('given the luckiest draw, half of the backoff stands all the same', () => {
  expect(delays(0)).toEqual([resendMs / 2, resendMs, 2 * resendMs, resendMsMax / 2]);
});

test('given a server that spreads its fleet wider than the backoff, the draw goes over its window', () => {
  expect(delays(1, 3_600_000)[0]).toBe(resendMs / 2 + 3_600_000);
});
