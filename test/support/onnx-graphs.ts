import { concatBytes } from '../../shared/core/bytes.ts';
import {
  field,
  graphOf,
  modelOf,
  nodeOf,
  onnxType,
  valueOf,
} from '../../shared/runtime/graph-bytes.ts';

const { float32, int64, bool } = onnxType;
const x = valueOf('x', float32, ['n']);
const y = valueOf('y', float32, ['m']);

/** Scalar or one-dimensional int64 initializer. */
const integers = (name: string, values: readonly bigint[], isScalar = false): Uint8Array =>
  concatBytes([
    ...(isScalar ? [] : [field(1, values.length)]),
    field(2, int64),
    ...values.map((value) => field(7, value)),
    field(8, name),
  ]);

const graphAttribute = (name: string, graph: Uint8Array): Uint8Array =>
  concatBytes([field(1, name), field(20, 5), field(6, graph)]);

const integerAttribute = (name: string, value: number): Uint8Array =>
  concatBytes([field(1, name), field(20, 2), field(3, value)]);

/**
 * Doubles `x` in a loop of `iterations`, about a microsecond each: slow by a choice of number,
 * endless by a large one.
 */
export function loopModel(iterations: bigint): Uint8Array {
  const body = graphOf({
    nodes: [
      nodeOf('Identity', { inputs: ['go'], outputs: ['goOn'] }),
      nodeOf('Add', { inputs: ['carried', 'carried'], outputs: ['doubled'] }),
    ],
    inputs: [valueOf('i', int64, []), valueOf('go', bool, []), valueOf('carried', float32, ['n'])],
    outputs: [valueOf('goOn', bool, []), valueOf('doubled', float32, ['n'])],
  });
  const always = concatBytes([field(2, bool), field(5, 1), field(8, 'always')]);
  return modelOf(
    graphOf({
      nodes: [
        nodeOf('Loop', { inputs: ['count', 'always', 'x'], outputs: ['y'] }, [
          graphAttribute('body', body),
        ]),
      ],
      initializers: [integers('count', [iterations], true), always],
      inputs: [x],
      outputs: [valueOf('y', float32, ['n'])],
    }),
  );
}

/** Reshapes `x` to `[size]`: loads, and fails at run time on any other length. */
export function reshapeModel(size: bigint): Uint8Array {
  return modelOf(
    graphOf({
      nodes: [nodeOf('Reshape', { inputs: ['x', 'shape'], outputs: ['y'] })],
      initializers: [integers('shape', [size])],
      inputs: [x],
      outputs: [y],
    }),
  );
}

/** Fills a tensor of `x[0]` floats: takes as much memory as the input says. */
export function fillModel(): Uint8Array {
  return modelOf(
    graphOf({
      nodes: [
        nodeOf('Cast', { inputs: ['x'], outputs: ['size'] }, [integerAttribute('to', int64)]),
        nodeOf('ConstantOfShape', { inputs: ['size'], outputs: ['filled'] }),
        nodeOf('ReduceSum', { inputs: ['filled'], outputs: ['y'] }),
      ],
      inputs: [x],
      outputs: [y],
    }),
  );
}

/** `y = 2 x`, and on the way a tensor of `x[0] * x[1] * ...` zeros, whose memory the session keeps: a leak by input. */
export function leakModel(): Uint8Array {
  return modelOf(
    graphOf({
      nodes: [
        nodeOf('Add', { inputs: ['x', 'x'], outputs: ['doubled'] }),
        nodeOf('Cast', { inputs: ['x'], outputs: ['size'] }, [integerAttribute('to', int64)]),
        nodeOf('ConstantOfShape', { inputs: ['size'], outputs: ['filled'] }),
        nodeOf('ReduceSum', { inputs: ['filled'], outputs: ['zero'] }, [
          integerAttribute('keepdims', 0),
        ]),
        nodeOf('Add', { inputs: ['doubled', 'zero'], outputs: ['y'] }),
      ],
      inputs: [x],
      outputs: [valueOf('y', float32, ['n'])],
    }),
  );
}

/** `y = x + w`, with `w` as external data of `elements` floats in the file `location`. */
export function externalModel(location: string, elements: number): Uint8Array {
  const entry = (key: string, value: string): Uint8Array =>
    field(13, concatBytes([field(1, key), field(2, value)]));
  const weights = concatBytes([
    field(1, elements),
    field(2, float32),
    field(8, 'w'),
    entry('location', location),
    entry('offset', '0'),
    entry('length', String(4 * elements)),
    field(14, 1),
  ]);
  return modelOf(
    graphOf({
      nodes: [nodeOf('Add', { inputs: ['x', 'w'], outputs: ['y'] })],
      initializers: [weights],
      inputs: [valueOf('x', float32, [elements])],
      outputs: [valueOf('y', float32, [elements])],
    }),
  );
}
