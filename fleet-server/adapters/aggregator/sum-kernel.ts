/**
 * The inner loop of aggregation as 128-bit WebAssembly, assembled here because a loop in JavaScript reaches a fifth of
 * the speed of a memory copy. Both functions take (values, sums, endOfValues, multiplier) as byte addresses:
 * - `add`: sums[i] += truncate(nearest(values[i] * multiplier)), wrapping; returns the block's sum of squares in eight
 *   float64 lanes, ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)).
 * - `take`: the same subtracted. A step takes eight values, so blocks are padded to that. 32-bit
 * sums wrap, so taking back what was added is exact whatever the values were.
 */
export interface SumKernel {
  readonly memory: ArrayBuffer;
  add(values: number, sums: number, end: number, multiplier: number): number;
  take(values: number, sums: number, end: number, multiplier: number): void;
}

/** The part of the WebAssembly API used here; the library `es2023` does not declare it. */
declare const WebAssembly: {
  readonly Memory: new (pages: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
};

const pageBytes = 65_536;
const i32 = 0x7f;
const f32 = 0x7d;
const f64 = 0x7c;
const v128 = 0x7b;
const addF64 = 0xa0;
const addI32x4 = 0xae;
const subtractI32x4 = 0xb1;

const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const tee = (local: number): number[] => [0x22, local];
/** A vector instruction: its number as LEB128 behind the prefix. */
const vector = (operation: number, ...immediates: number[]): number[] => [
  0xfd,
  ...leb(operation),
  ...immediates,
];

// Locals: the four parameters, then vectors.
const [values, sums, end, multiplier, x, factors, square] = [0, 1, 2, 3, 4, 5, 6];
/** Four pairs of float64 lanes: chains of dependent additions run side by side. */
const lanePairs = [7, 8, 9, 10] as const;
const loadAt = (offset: number): number[] => vector(0x00, 4, offset);
const storeAt = (offset: number): number[] => vector(0x0b, 4, offset);
const promoteLow = vector(0x5f);
const upperHalf = vector(0x0d, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
const addDoubles = vector(0xf0);
const mulDoubles = vector(0xf2);
const lane = (index: number): number[] => vector(0x21, index);

const addSquares = (to: number): number[] => [
  ...tee(square),
  ...get(square),
  ...mulDoubles,
  ...get(to),
  ...addDoubles,
  ...set(to),
];

const measure = ([low, high]: readonly [number, number]): number[] => [
  ...get(x),
  ...promoteLow,
  ...addSquares(low),
  ...get(x),
  ...get(x),
  ...upperHalf,
  ...promoteLow,
  ...addSquares(high),
];

/** sums[..] = sums[..] (add or subtract) truncate(nearest(x * factors)); conversion saturates and makes NaN zero. */
const fold = (operation: number, offset: number): number[] => [
  ...get(sums),
  ...get(sums),
  ...loadAt(offset),
  ...get(x),
  ...get(factors),
  ...vector(0xe6),
  ...vector(0x6a),
  ...vector(0xf8),
  ...vector(operation),
  ...storeAt(offset),
];

const loadValues = (offset: number): number[] => [...get(values), ...loadAt(offset), ...set(x)];

const advance = (local: number): number[] => [...get(local), 0x41, 32, 0x6a, ...set(local)];

const addStep: readonly number[] = [
  ...[...loadValues(0), ...measure([lanePairs[0], lanePairs[1]]), ...fold(addI32x4, 0)],
  ...[...loadValues(16), ...measure([lanePairs[2], lanePairs[3]]), ...fold(addI32x4, 16)],
];
const takeStep: readonly number[] = [
  ...[...loadValues(0), ...fold(subtractI32x4, 0), ...loadValues(16), ...fold(subtractI32x4, 16)],
];

function body(perStep: readonly number[], result: readonly number[]): number[] {
  const code = [
    ...[1, 7, v128],
    ...get(multiplier),
    ...vector(0x13),
    ...set(factors),
    ...[0x02, 0x40, 0x03, 0x40],
    ...[...get(values), ...get(end), 0x4f, 0x0d, 1],
    ...perStep,
    ...[...advance(values), ...advance(sums), 0x0c, 0],
    ...[0x0b, 0x0b],
    ...result,
    0x0b,
  ];
  return [...leb(code.length), ...code];
}

const pairSum = (local: number): number[] => [
  ...get(local),
  ...lane(0),
  ...get(local),
  ...lane(1),
  addF64,
];
const sumOfLanes: readonly number[] = [
  ...[...pairSum(lanePairs[0]), ...pairSum(lanePairs[1]), addF64],
  ...[...pairSum(lanePairs[2]), ...pairSum(lanePairs[3]), addF64],
  addF64,
];

function moduleBytes(): Uint8Array {
  const section = (id: number, content: readonly number[]): number[] => [
    id,
    ...leb(content.length),
    ...content,
  ];
  const name = (text: string): number[] => [text.length, ...Buffer.from(text)];
  const parameters = [4, i32, i32, i32, f32];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [2, 0x60, ...parameters, 1, f64, 0x60, ...parameters, 0]),
    ...section(2, [1, ...name('host'), ...name('memory'), 2, 0, 1]),
    ...section(3, [2, 0, 1]),
    ...section(7, [2, ...name('add'), 0, 0, ...name('take'), 0, 1]),
    ...section(10, [2, ...body(addStep, sumOfLanes), ...body(takeStep, [])]),
  ]);
}

function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)];
}

let compiled: object | undefined;

/** A kernel over its own memory of at least `bytes`, zeroed. */
export function createSumKernel(bytes: number): SumKernel {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / pageBytes) });
  compiled ??= new WebAssembly.Module(moduleBytes());
  const { exports } = new WebAssembly.Instance(compiled, { host: { memory } });
  return {
    memory: memory.buffer,
    add: exports['add'] as SumKernel['add'],
    take: exports['take'] as SumKernel['take'],
  };
}
