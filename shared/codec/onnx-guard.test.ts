import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../core/bytes.ts';
import { guardOnnx } from './onnx-guard.ts';

/** A hand-written protobuf writer, so that the guard is not tested with the library it replaces. */
const varint = (value: bigint | number): Uint8Array => {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
};
const run = (field: number, content: Uint8Array): Uint8Array =>
  concatBytes([varint((field << 3) | 2), varint(content.length), content]);
const text = (field: number, value: string): Uint8Array => run(field, utf8(value));
const int = (field: number, value: bigint | number): Uint8Array =>
  concatBytes([varint(field << 3), varint(value)]);
const message = (field: number, ...parts: Uint8Array[]): Uint8Array =>
  run(field, concatBytes(parts));

const entry = (key: string, value: string): Uint8Array =>
  concatBytes([text(1, key), text(2, value)]);
const node = (operator: string, domain = '', ...more: Uint8Array[]): Uint8Array =>
  message(1, text(1, 'x'), text(2, `y-${operator}`), text(4, operator), text(7, domain), ...more);
const model = (graphParts: Uint8Array[], ...more: Uint8Array[]): Uint8Array =>
  concatBytes([int(1, 10), message(7, ...graphParts), message(8, int(2, 21)), ...more]);
const tensor = (name: string, ...parts: Uint8Array[]): Uint8Array =>
  message(5, int(1, 4), int(2, 1), text(8, name), ...parts);
const external = (...entries: [string, string][]): Uint8Array =>
  concatBytes([...entries.map(([key, value]) => run(13, entry(key, value))), int(14, 1)]);

const blobs = new Map([
  ['weights', 16],
  ['long', 64],
]);
const codeOf = (bytes: Uint8Array, allow?: { epContext?: boolean; domains?: string[] }): string => {
  const guarded = guardOnnx(bytes, allow === undefined ? { blobs } : { blobs, allow });
  return guarded.ok ? 'ok' : guarded.error.code;
};
const subgraph = (...parts: Uint8Array[]): Uint8Array =>
  message(5, text(1, 'body'), message(6, ...parts));

describe('guardOnnx', () => {
  it('passes a graph whose external tensors lie inside listed blobs and says what it saw', () => {
    const bytes = model([
      node('MatMul'),
      node('FusedMatMul', 'com.microsoft'),
      tensor('w', external(['location', 'long'], ['offset', '48'], ['length', '16'])),
      tensor('v', external(['location', 'weights'])),
    ]);
    expect(guardOnnx(bytes, { blobs })).toEqual({
      ok: true,
      value: {
        locations: ['long', 'weights'],
        nodes: 2,
        tensorBytes: 32,
        opsets: new Map([['', 21]]),
      },
    });
  });

  const bad: readonly [string, string, Uint8Array][] = [
    ['onnx-malformed', 'is cut off inside a field', model([node('Relu')]).slice(0, -3)],
    ['onnx-malformed', 'has no graph', int(1, 10)],
    [
      'onnx-malformed',
      'has a number of eleven bytes',
      concatBytes([Uint8Array.of(8), new Uint8Array(10).fill(255), Uint8Array.of(1)]),
    ],
    ['onnx-malformed', 'gives the graph as a number', int(7, 1)],
    [
      'onnx-malformed',
      'ends before the four bytes of a number',
      model([node('Elu', '', message(5, text(1, 'alpha'), Uint8Array.of(0x15)))]),
    ],
    ['onnx-unknown-field', 'has a field nobody knows', model([node('Relu')], text(99, 'x'))],
    ['onnx-unknown-field', 'uses field number zero', Uint8Array.of(0, 0)],
    [
      'onnx-duplicate',
      'has two graphs that a parser would merge',
      concatBytes([model([node('Relu')]), message(7)]),
    ],
    [
      'onnx-duplicate',
      'names two initializers alike',
      model([tensor('w', run(9, new Uint8Array(16))), tensor('w', run(9, new Uint8Array(16)))]),
    ],
    ['onnx-duplicate', 'computes a value twice', model([node('Relu'), node('Relu')])],
    [
      'onnx-duplicate',
      'gives an external location twice',
      model([tensor('w', external(['location', 'weights'], ['location', 'long']))]),
    ],
    ['onnx-duplicate', 'imports a domain twice', model([node('Relu')], message(8, int(2, 20)))],
    [
      'onnx-tensor-invalid',
      'has fewer raw bytes than the shape needs',
      model([tensor('w', run(9, new Uint8Array(15)))]),
    ],
    ['onnx-tensor-invalid', 'has a negative dimension', model([message(5, int(1, -1), int(2, 1))])],
    [
      'onnx-tensor-invalid',
      'has absurd dimensions',
      model([message(5, int(1, 1n << 40n), int(1, 1n << 40n), int(2, 1))]),
    ],
    ['onnx-tensor-invalid', 'has an unknown data type', model([message(5, int(1, 1), int(2, 77))])],
    [
      'onnx-tensor-invalid',
      'is both inline and external',
      model([tensor('w', run(9, new Uint8Array(16)), external(['location', 'weights']))]),
    ],
    [
      'onnx-too-large',
      'has a tensor above the limit',
      model([message(5, int(1, 1n << 30n), int(2, 1))]),
    ],
    [
      'onnx-external-location',
      'points out of the folder',
      model([tensor('w', external(['location', '../weights']))]),
    ],
    [
      'onnx-external-location',
      'gives an absolute path',
      model([tensor('w', external(['location', '/etc/passwd']))]),
    ],
    [
      'onnx-external-location',
      'names a blob the manifest does not list',
      model([tensor('w', external(['location', 'other']))]),
    ],
    ['onnx-external-location', 'gives no location', model([tensor('w', external())])],
    [
      'onnx-external-location',
      'carries an unknown external key',
      model([tensor('w', external(['location', 'weights'], ['path', 'x']))]),
    ],
    [
      'onnx-external-range',
      'reaches beyond its blob',
      model([tensor('w', external(['location', 'weights'], ['offset', '1']))]),
    ],
    [
      'onnx-external-range',
      'gives a length that the shape does not need',
      model([tensor('w', external(['location', 'long'], ['length', '17']))]),
    ],
    [
      'onnx-external-range',
      'spells the offset in hexadecimal',
      model([tensor('w', external(['location', 'long'], ['offset', '0x0']))]),
    ],
    ['onnx-operator-refused', 'uses an unknown domain', model([node('Magic', 'org.example')])],
    [
      'onnx-operator-refused',
      'uses an unlisted runtime operator',
      model([node('WhisperBeamSearch', 'com.microsoft')]),
    ],
    [
      'onnx-operator-refused',
      'hides an operator in a subgraph',
      model([node('If', '', subgraph(node('Magic', 'x')))]),
    ],
    [
      'onnx-operator-refused',
      'hides an operator in a list of subgraphs',
      model([node('If', '', message(5, text(1, 'b'), message(11, node('Magic', 'x'))))]),
    ],
    [
      'onnx-operator-refused',
      'hides an operator in a function',
      model(
        [node('Relu')],
        message(25, text(1, 'f'), text(10, 'own'), message(7, text(4, 'Magic'), text(7, 'x'))),
      ),
    ],
    [
      'onnx-operator-refused',
      'hides an operator in a training graph',
      model([node('Relu')], message(20, message(2, node('Magic', 'x')))),
    ],
    [
      'onnx-external-location',
      'hides a location in a constant',
      model([
        node(
          'Constant',
          '',
          message(
            5,
            text(1, 'value'),
            message(5, int(1, 4), int(2, 1), external(['location', '../x'])),
          ),
        ),
      ]),
    ],
    [
      'onnx-external-location',
      'hides a location in a sparse tensor',
      model([
        message(15, message(1, int(1, 4), int(2, 1), text(8, 's'), external(['location', '../x']))),
      ]),
    ],
    ['onnx-ep-context', 'carries a compiled context', model([node('EPContext', 'com.microsoft')])],
    [
      'onnx-function-invalid',
      'defines a function in a reserved domain',
      model([node('Relu')], message(25, text(1, 'EPContext'), text(10, 'com.microsoft'))),
    ],
    [
      'onnx-function-invalid',
      'defines a function that calls itself',
      model(
        [node('f', 'own')],
        message(25, text(1, 'f'), text(10, 'own'), message(7, text(4, 'f'), text(7, 'own'))),
      ),
    ],
  ];
  it.each(bad)('answers %s when the model %s', (code, _when, bytes) => {
    expect(codeOf(bytes)).toBe(code);
  });

  it('answers onnx-too-deep when subgraphs nest without end', () => {
    let nested = node('Relu');
    for (let level = 0; level < 40; level += 1) nested = node('If', '', subgraph(nested));
    expect(codeOf(model([nested]))).toBe('onnx-too-deep');
  });

  it('answers onnx-too-large when functions double at each of forty levels', () => {
    const functions = Array.from({ length: 40 }, (_, level) => {
      const call = message(7, text(4, `f${level + 1}`), text(7, 'own'));
      const body = level === 39 ? [message(7, text(4, 'Relu'))] : [call, call];
      return message(25, text(1, `f${level}`), text(10, 'own'), ...body);
    });
    expect(codeOf(model([node('f0', 'own')], ...functions))).toBe('onnx-too-large');
  });

  it('passes a call of a function of the model, counted with its body', () => {
    const body = message(7, text(4, 'Relu'));
    const bytes = model([node('f', 'own')], message(25, text(1, 'f'), text(10, 'own'), body));
    const guarded = guardOnnx(bytes, { blobs });
    expect(guarded.ok && guarded.value.nodes).toBe(2);
  });

  it('passes what the owner allows and nothing more', () => {
    const compiled = model([node('EPContext', 'com.microsoft')]);
    const foreign = model([node('Magic', 'org.example')]);
    expect(codeOf(compiled, { epContext: true })).toBe('ok');
    expect(codeOf(compiled, { domains: ['org.example'] })).toBe('onnx-ep-context');
    expect(codeOf(foreign, { domains: ['org.example'] })).toBe('ok');
    expect(codeOf(foreign, { epContext: true })).toBe('onnx-operator-refused');
  });

  it('answers onnx-too-large when the file exceeds the bound', () => {
    const guarded = guardOnnx(new Uint8Array(11), { blobs, graphBytesMax: 10 });
    expect(!guarded.ok && guarded.error.code).toBe('onnx-too-large');
  });

  const valid = model(
    [
      node('If', '', subgraph(node('MatMul'), tensor('u', run(9, new Uint8Array(16))))),
      tensor('w', external(['location', 'weights'])),
      message(
        11,
        text(1, 'x'),
        message(2, message(1, int(1, 1), message(2, message(1, text(2, 'N'))))),
      ),
    ],
    message(25, text(1, 'f'), text(10, 'own'), message(7, text(4, 'Relu'))),
  );
  it('never throws when bytes of a valid model are changed, cut, doubled or inserted', () => {
    const edit = fc.record({
      at: fc.nat(valid.length),
      kind: fc.constantFrom('set', 'cut', 'double', 'insert'),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 6 }), (edits) => {
        let bytes = valid;
        for (const { at, kind, bytes: added } of edits) {
          const head = bytes.slice(0, at);
          const tail = bytes.slice(at);
          if (kind === 'set') bytes = concatBytes([head, added, tail.slice(added.length)]);
          else if (kind === 'cut') bytes = head;
          else if (kind === 'double') bytes = concatBytes([head, tail, tail]);
          else bytes = concatBytes([head, added, tail]);
        }
        expect(typeof guardOnnx(bytes, { blobs }).ok).toBe('boolean');
      }),
      { numRuns: 3000 },
    );
  });

  it('never throws on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(typeof guardOnnx(bytes, { blobs }).ok).toBe('boolean');
      }),
      { numRuns: 3000 },
    );
  });

  it('answers onnx-too-large, and soon, when a hostile file holds a million empty nodes', () => {
    const many = new Uint8Array(2_000_000);
    for (let i = 0; i < many.length; i += 2) many[i] = 0x0a;
    expect(codeOf(concatBytes([int(1, 10), run(7, many)]))).toBe('onnx-too-large');
  });
});
