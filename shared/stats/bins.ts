/**
 * Index of the bin of `value`: bin `i` holds [edge i-1, edge i), the first everything below, the last everything at
 * or above the last edge. What is not a number falls into the last bin, so that a model which starts to answer
 * NaN shows as drift instead of vanishing. `edges` ascend; there is one bin more than edges.
 */
export function binOf(edges: ArrayLike<number>, value: number): number {
  // With at most 63 edges a walk that ends once beats halving: one branch is mispredicted instead of six.
  let bin = 0;
  while (bin < edges.length && !(value < (edges[bin] as number))) bin += 1;
  return bin;
}
