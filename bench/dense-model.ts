import { concatBytes } from '../shared/core/bytes.ts';
import {
  field,
  graphOf,
  modelOf,
  nodeOf,
  onnxType,
  valueOf,
} from '../shared/runtime/graph-bytes.ts';

/**
 * `layers` matrix products of `width` x `width` over `x: [n, width]`, fp32. Cost grows with
 * `2 * n * layers * width * width` operations; the weights are arbitrary, small and never zero.
 */
export function denseModel(layers: number, width: number): Uint8Array {
  const weights = new Float32Array(width * width).map((_, index) => ((index % 7) - 3.5) / width);
  const initializer = (name: string): Uint8Array =>
    concatBytes([
      field(1, width),
      field(1, width),
      field(2, onnxType.float32),
      field(8, name),
      field(9, new Uint8Array(weights.buffer)),
    ]);
  const names = Array.from({ length: layers }, (_, index) => `w${index}`);
  return modelOf(
    graphOf({
      nodes: names.map((name, index) =>
        nodeOf('MatMul', {
          inputs: [index === 0 ? 'x' : `h${index}`, name],
          outputs: [index === layers - 1 ? 'y' : `h${index + 1}`],
        }),
      ),
      initializers: names.map(initializer),
      inputs: [valueOf('x', onnxType.float32, ['n', width])],
      outputs: [valueOf('y', onnxType.float32, ['n', width])],
    }),
  );
}
