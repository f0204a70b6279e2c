import type { WeightPrecision } from '../../shared/contracts/bundle-config.ts';
import type { ModelProto, TensorProto } from './generated/onnx_pb.ts';
import { initializersOf } from './tensor-walk.ts';

/** By `TensorProto.data_type`. Counts, shapes and biases are int32, int64 or bool: those are no weights. */
const precisions: ReadonlyMap<number, WeightPrecision> = new Map([
  [1, 'float32'],
  [2, 'int8'],
  [3, 'int8'],
  [4, 'int16'],
  [5, 'int16'],
  [10, 'float16'],
  [11, 'float64'],
  [16, 'bfloat16'],
  [17, 'float8'],
  [18, 'float8'],
  [19, 'float8'],
  [20, 'float8'],
  [21, 'int4'],
  [22, 'int4'],
]);

/**
 * What most weights of a model are stored as, counted by elements, wherever their bytes lie; scales and biases are few
 * beside them. `undefined` for a model without weights. A draw goes to what stands first in the graph.
 */
export function weightPrecisionOf(model: ModelProto): WeightPrecision | undefined {
  const elements = new Map<WeightPrecision, number>();
  for (const tensor of initializersOf(model)) {
    const precision = precisions.get(tensor.dataType);
    if (precision === undefined) continue;
    elements.set(precision, (elements.get(precision) ?? 0) + elementsOf(tensor));
  }
  let most: WeightPrecision | undefined;
  for (const [precision, count] of elements) {
    if (count > (most === undefined ? 0 : (elements.get(most) ?? 0))) most = precision;
  }
  return most;
}

const elementsOf = ({ dims }: TensorProto): number =>
  dims.reduce((product, dimension) => product * Number(dimension), 1);

/** A claim that the graph does not bear out; no claim is none. */
export function precisionProblem(
  claimed: WeightPrecision | undefined,
  told: WeightPrecision | undefined,
): { readonly code: 'precision-mismatch'; readonly message: string } | undefined {
  if (claimed === undefined || claimed === told) return undefined;
  const stored = told === undefined ? 'there are no weights' : `most weights are ${told}`;
  return {
    code: 'precision-mismatch',
    message: `precision is said to be ${claimed}, but ${stored}`,
  };
}
