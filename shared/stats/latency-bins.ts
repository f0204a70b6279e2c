/**
 * Fixed edges of the latency histogram, milliseconds, ascending: three per octave from 2^-6 ms (15.6 us) to
 * 2^14.67 ms (26 s), so that one bin is a factor of 1.26 wide and histograms of all devices add up exactly.
 * Bin `i` counts values in [edge i-1, edge i); the first bin is everything below, the last everything above.
 */
export const latencyEdgesMs: readonly number[] = Array.from({ length: 63 }, (_, i) => {
  // The three factors are 2^(0/3), 2^(1/3), 2^(2/3), written out because a power may differ between engines.
  const factor = [1, 1.2599210498948732, 1.5874010519681994][i % 3] ?? 1;
  const octave = Math.floor(i / 3);
  return (factor * 2097152) / (134217728 / (1 << octave));
});

export const latencyBins = latencyEdgesMs.length + 1;

/** Index of the bin of one latency; a latency that is not a number counts as endless. */
export function latencyBinOf(latencyMs: number): number {
  let low = 0;
  let high = latencyEdgesMs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (latencyMs < (latencyEdgesMs[middle] ?? Number.POSITIVE_INFINITY)) high = middle;
    else low = middle + 1;
  }
  return low;
}
