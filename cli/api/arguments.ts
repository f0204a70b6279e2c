import { InvalidArgumentError } from 'commander';

const unitMs = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** `500ms`, `30s`, `15m`, `2h`, `7d`, in milliseconds. */
export function durationMs(text: string): number {
  const [, count, unit] = /^([0-9]{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  const ms = Number(count) * (unitMs.get(unit ?? '') ?? Number.NaN);
  if (Number.isSafeInteger(ms)) return ms;
  throw new InvalidArgumentError('Write a duration such as 30s, 15m, 2h or 7d.');
}

export function wholeNumber(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Write a whole number.');
}

/** Collects `name=value` of a flag that may repeat. */
export function collectTag(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const [name = '', ...value] = text.split('=');
  if (name === '') throw new InvalidArgumentError('Write name=value.');
  return { ...before, [name]: value.join('=') };
}

export const collect = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  text,
];

/** `1%,10%,50%,100%` or `5,100%`. */
export function waves(text: string): readonly ({ percent: number } | { count: number })[] {
  return text.split(',').map((part) => {
    const [, number, sign] = /^([0-9]{1,9}(?:\.[0-9]{1,4})?)(%?)$/.exec(part.trim()) ?? [];
    if (number === undefined) throw new InvalidArgumentError('Write waves such as 1%,10%,100%.');
    return sign === '%' ? { percent: Number(number) } : { count: Number(number) };
  });
}
