import { OperatingError } from '../core/operating-error.ts';
import type { Tensor } from '../ports/inference-runtime.ts';
import { elementBytes } from './element-bytes.ts';
import type { InputDeclaration } from './host-messages.ts';

/**
 * Names, types, shapes and byte counts against what the graph declares; returns the tensors in the graph's order.
 * The native library would ignore unknown names and read whatever lies behind a short buffer's view.
 * Throws `inference-input-mismatch`.
 */
export function checkInputs(
  declared: readonly InputDeclaration[],
  given: ReadonlyMap<string, Tensor>,
): readonly Tensor[] {
  const tensors: Tensor[] = [];
  for (const declaration of declared) {
    const tensor = given.get(declaration.name);
    if (tensor === undefined) throw mismatch(`input ${declaration.name} is missing`);
    checkTensor(declaration, tensor);
    tensors.push(tensor);
  }
  if (given.size !== declared.length) {
    throw mismatch(`${given.size} inputs given, the model declares ${declared.length}`);
  }
  return tensors;
}

function checkTensor(declaration: InputDeclaration, tensor: Tensor): void {
  const { name, type, shape } = declaration;
  if (tensor.type !== type) throw mismatch(`input ${name} is ${tensor.type}, declared ${type}`);
  if (tensor.shape.length !== shape.length) {
    throw mismatch(`input ${name} has rank ${tensor.shape.length}, declared ${shape.length}`);
  }
  let elements = 1;
  for (let axis = 0; axis < shape.length; axis += 1) {
    const size = tensor.shape[axis] ?? -1;
    const wanted = shape[axis];
    const isFree = typeof wanted === 'string';
    if (!Number.isSafeInteger(size) || size < 0 || (!isFree && size !== wanted)) {
      throw mismatch(`input ${name} has size ${size} on axis ${axis}, declared ${wanted ?? '?'}`);
    }
    elements *= size;
  }
  const bytes = elements * elementBytes[tensor.type];
  if (tensor.bytes.byteLength !== bytes) {
    throw mismatch(`input ${name} has ${tensor.bytes.byteLength} bytes, its shape needs ${bytes}`);
  }
}

function mismatch(message: string): OperatingError {
  return new OperatingError('inference-input-mismatch', message);
}
