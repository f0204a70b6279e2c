import { elementBytes } from './element-bytes.ts';

/** A declared input; a text in `shape` names a dimension that each call chooses. */
export interface InputDeclaration {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

interface GivenTensor {
  readonly type: keyof typeof elementBytes;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/**
 * What is wrong with the inputs of one call, in words: names, types, shapes and byte counts against what the graph
 * declares. `undefined` for inputs that fit.
 */
export function inputMisfit(
  declared: readonly InputDeclaration[],
  given: ReadonlyMap<string, GivenTensor>,
): string | undefined {
  for (const declaration of declared) {
    const tensor = given.get(declaration.name);
    if (tensor === undefined) return `input ${declaration.name} is missing`;
    const problem = tensorMisfit(declaration, tensor);
    if (problem !== undefined) return `input ${declaration.name} ${problem}`;
  }
  return given.size === declared.length
    ? undefined
    : `${given.size} inputs given, the model declares ${declared.length}`;
}

function tensorMisfit(declaration: InputDeclaration, tensor: GivenTensor): string | undefined {
  const { type, shape } = declaration;
  if (tensor.type !== type) return `is ${tensor.type}, declared ${type}`;
  if (tensor.shape.length !== shape.length) {
    return `has rank ${tensor.shape.length}, declared ${shape.length}`;
  }
  let elements = 1;
  for (let axis = 0; axis < shape.length; axis += 1) {
    const size = tensor.shape[axis] ?? -1;
    const wanted = shape[axis];
    const isFree = typeof wanted === 'string';
    if (!Number.isSafeInteger(size) || size < 0 || (!isFree && size !== wanted)) {
      return `has size ${size} on axis ${axis}, declared ${wanted ?? '?'}`;
    }
    elements *= size;
  }
  const bytes = elements * elementBytes[tensor.type];
  return tensor.bytes.byteLength === bytes
    ? undefined
    : `has ${tensor.bytes.byteLength} bytes, its shape needs ${bytes}`;
}
