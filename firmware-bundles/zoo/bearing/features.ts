import { type BearingGeometry, faultOrders } from './bearing-geometry.ts';
import { sampleHz } from './vibration.ts';

const harmonics = [1, 2, 3] as const;

/** Logarithms of envelope lines over their surroundings, then kurtosis, crest factor and level of the fast part. */
export const bearingFeatureNames: readonly string[] = [
  ...['outer', 'inner', 'ball'].flatMap((race) => harmonics.map((h) => `${race}-${h}`)),
  'kurtosis',
  'crest',
  'level',
];

/**
 * Envelope analysis: the fast part of the signal is squared, and the squared signal is asked how strong it is at the
 * frequencies of each fault, compared with frequencies nearby. Ratios do not see the sensor's gain, the level does;
 * the shaft speed must be known, as from a tachometer.
 */
export function bearingFeatures(
  window: Float64Array,
  known: { readonly geometry: BearingGeometry; readonly shaftHz: number },
): Float32Array {
  const fast = fastPart(window);
  const envelope = tapered(centred(fast.map((value) => value * value)));
  const orders = faultOrders(known.geometry);
  const lines = [orders.outer, orders.inner, 2 * orders.ball].flatMap((order) =>
    harmonics.map((harmonic) => {
      const frequencyHz = order * harmonic * known.shaftHz;
      return Math.log(lineOver(envelope, frequencyHz));
    }),
  );
  const level = Math.sqrt(meanSquareOf(fast));
  return Float32Array.from([
    ...lines,
    Math.log(kurtosisOf(fast)),
    Math.log(crestOf(fast)),
    Math.log(level + 1e-12),
  ]);
}

/** What a 9-sample mean does not explain: above about 1 kHz. */
function fastPart(window: Float64Array): Float64Array {
  const half = 4;
  return window.map((value, i) => {
    let sum = 0;
    let count = 0;
    for (let k = Math.max(0, i - half); k <= Math.min(window.length - 1, i + half); k += 1) {
      sum += window[k] ?? 0;
      count += 1;
    }
    return value - sum / count;
  });
}

function centred(values: Float64Array): Float64Array {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  return values.map((value) => value - mean);
}

/** Strongest power within 1.5 % of the frequency over the mean power 4 % to 10 % away. */
function lineOver(envelope: Float64Array, frequencyHz: number): number {
  const near = [-0.015, -0.0075, 0, 0.0075, 0.015];
  const away = [-0.1, -0.07, -0.04, 0.04, 0.07, 0.1];
  const powerAt = (offset: number): number => goertzel(envelope, frequencyHz * (1 + offset));
  const strongest = Math.max(...near.map(powerAt));
  const around = away.reduce((sum, offset) => sum + powerAt(offset), 0) / away.length;
  return (strongest + 1e-12) / (around + 1e-12);
}

/** A Hann window keeps strong lines from leaking into their surroundings. */
const tapered = (values: Float64Array): Float64Array =>
  values.map((value, i) => value * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / values.length)));

/** Power of one frequency (Goertzel, 1958). */
function goertzel(values: Float64Array, frequencyHz: number): number {
  const omega = (2 * Math.PI * frequencyHz) / sampleHz;
  const coefficient = 2 * Math.cos(omega);
  let previous = 0;
  let before = 0;
  for (let i = 0; i < values.length; i += 1) {
    const next = (values[i] ?? 0) + coefficient * previous - before;
    before = previous;
    previous = next;
  }
  return previous * previous + before * before - coefficient * previous * before;
}

function kurtosisOf(values: Float64Array): number {
  let second = 0;
  let fourth = 0;
  for (const value of values) {
    const square = value * value;
    second += square;
    fourth += square * square;
  }
  return (fourth * values.length) / (second * second + 1e-300);
}

function crestOf(values: Float64Array): number {
  let peak = 0;
  for (const value of values) peak = Math.max(peak, Math.abs(value));
  return (peak + 1e-12) / Math.sqrt(meanSquareOf(values) + 1e-24);
}

function meanSquareOf(values: Float64Array): number {
  let squares = 0;
  for (const value of values) squares += value * value;
  return squares / values.length;
}
