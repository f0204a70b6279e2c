/**
 * Splits `total` whole seats in proportion to `weights`, none above its cap (largest remainder; ties go to the
 * earlier one). Gives less than `total` only where all caps are reached.
 */
export function apportion(
  total: number,
  weights: readonly number[],
  caps: readonly number[],
): number[] {
  const seats = weights.map(() => 0);
  let left = Math.min(
    total,
    caps.reduce((sum, cap) => sum + cap, 0),
  );
  // Each pass fills a cap or gives everything away, so there are at most twice as many passes as weights.
  while (left > 0) {
    const open = weights.map((weight, i) =>
      (seats[i] ?? 0) < (caps[i] ?? 0) ? Math.max(weight, Number.MIN_VALUE) : 0,
    );
    const sum = open.reduce((all, weight) => all + weight, 0);
    const ideal = open.map((weight) => (weight / sum) * left);
    let denied = 0;
    ideal.forEach((share, i) => {
      const given = Math.min(Math.floor(share), (caps[i] ?? 0) - (seats[i] ?? 0));
      seats[i] = (seats[i] ?? 0) + given;
      left -= given;
      denied += Math.floor(share) - given;
    });
    // What a cap left over goes to the others in proportion first, before remainders decide.
    if (denied === 0) left = giveRemainders({ seats, caps, ideal, left });
  }
  return seats;
}

function giveRemainders(state: {
  readonly seats: number[];
  readonly caps: readonly number[];
  readonly ideal: readonly number[];
  readonly left: number;
}): number {
  const { seats, caps, ideal } = state;
  let left = state.left;
  const order = ideal
    .map((share, i) => ({ i, remainder: share - Math.floor(share) }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i);
  for (const { i } of order) {
    if (left === 0) break;
    if ((seats[i] ?? 0) >= (caps[i] ?? 0)) continue;
    seats[i] = (seats[i] ?? 0) + 1;
    left -= 1;
  }
  return left;
}
