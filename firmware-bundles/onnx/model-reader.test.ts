import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../shared/core/bytes.ts';
import { GraphBuilder } from './graph-builder.ts';
import { readModel } from './model-reader.ts';
import { writeModel } from './model-writer.ts';
import { tensorOf, tensorOfProto } from './tensor.ts';

function builtModel() {
  const builder = new GraphBuilder('line');
  const x = builder.input('x', { type: 'float32', shape: ['batch', 2] });
  const w = builder.initializer('w', tensorOf('float32', [2, 1], [0.5, -2]));
  builder.node('MatMul', [x, w], { outputs: ['y'], attributes: {} });
  builder.output('y', { type: 'float32', shape: ['batch', 1] });
  return builder.model();
}

describe('readModel', () => {
  it('reads what writeModel wrote, byte for byte on the way back', () => {
    const bytes = writeModel(builtModel());
    const model = readModel(bytes);
    expect(model.ok && writeModel(model.value)).toEqual(bytes);
    const weight = model.ok ? model.value.graph?.initializer[0] : undefined;
    expect(weight && tensorOfProto(weight)).toEqual(tensorOf('float32', [2, 1], [0.5, -2]));
    expect(model.ok && model.value.graph?.input[0]?.type?.value.case).toBe('tensorType');
  });

  it('keeps a field it does not know', () => {
    const unknown = concatBytes([Uint8Array.of(0xf2, 0x3f, 5), utf8('later')]);
    const bytes = concatBytes([writeModel(builtModel()), unknown]);
    const model = readModel(bytes);
    expect(model.ok && writeModel(model.value)).toEqual(bytes);
  });

  it('answers onnx-malformed when the bytes end early or are something else', () => {
    const bytes = writeModel(builtModel());
    for (const bad of [bytes.slice(0, -1), new Uint8Array(), utf8('{"graph": {}}')]) {
      const model = readModel(bad);
      expect(!model.ok && model.error.code).toBe('onnx-malformed');
    }
  });

  it('answers onnx-too-deep before the parser recurses', () => {
    let nested = new Uint8Array();
    for (let level = 0; level < 40; level += 1) {
      for (const field of [6, 5, 1]) nested = Uint8Array.from(nest(field, nested));
    }
    const model = readModel(nest(7, nested));
    expect(!model.ok && model.error.code).toBe('onnx-too-deep');
  });

  it('never throws on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(typeof readModel(bytes).ok).toBe('boolean');
      }),
      { numRuns: 2000 },
    );
  });
});

function nest(field: number, content: Uint8Array): Uint8Array {
  const length: number[] = [];
  let rest = content.length;
  do {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
    rest >>= 7;
  } while (rest > 0);
  return concatBytes([Uint8Array.of((field << 3) | 2, ...length), content]);
}
