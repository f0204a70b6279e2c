/** One measured figure, against a peer or a limit measured in the same run. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it is measured against, and that one's own value in the same unit. */
  readonly against: string;
  readonly ratio: number;
  readonly goal: string;
}

/** One JSON line; numbers keep four significant digits, because the machine's noise is larger. */
export function printFigure(figure: Figure): void {
  const round = (value: number): number => Number(value.toPrecision(4));
  console.log(
    JSON.stringify({ ...figure, value: round(figure.value), ratio: round(figure.ratio) }),
  );
}

/** The `share` quantile (nearest rank) of `values`, which need no order. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
