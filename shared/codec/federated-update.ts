import {
  type UpdateRefusal,
  type UpdateShape,
  updateBytesOf,
  updateForm,
} from '../contracts/federation.ts';
import { limits } from '../contracts/limits.ts';
import { bytesOfHex, equalBytes, hexOf, utf8 } from '../core/bytes.ts';
import { invariant } from '../core/invariant.ts';
import { err, ok, type Result } from '../core/result.ts';

const magic = utf8(updateForm.magic);
const bundleAt = 8;
const roundAt = 40;
const countAt = 48;

const bundleBytes = (bundle: string): Uint8Array =>
  bytesOfHex(bundle.slice('sha256:'.length)) ?? new Uint8Array(0);
const roundBytes = (round: string): Uint8Array =>
  bytesOfHex(round.slice('rnd-'.length)) ?? new Uint8Array(0);

/** One tensor after the other, float32, in declared order. */
export function encodeUpdate(shape: UpdateShape, tensors: readonly Float32Array[]): Uint8Array {
  const bytes = new Uint8Array(updateBytesOf(shape));
  const view = new DataView(bytes.buffer);
  bytes.set(magic, 0);
  view.setUint32(4, updateForm.version, true);
  bytes.set(bundleBytes(shape.bundle), bundleAt);
  bytes.set(roundBytes(shape.round), roundAt);
  view.setUint32(countAt, shape.elements.length, true);
  let at = updateForm.headerBytes;
  for (const count of shape.elements) {
    view.setUint32(at, count, true);
    at += 4;
  }
  shape.elements.forEach((count, index) => {
    const tensor = tensors[index];
    invariant(tensor?.length === count, `tensor ${index} has not ${count} elements`);
    for (const value of tensor) {
      view.setFloat32(at, value, true);
      at += 4;
    }
  });
  return bytes;
}

/**
 * The values of all tensors as one vector, once size, header and shape are those asked for. Finiteness and norm are
 * judged where the values are read anyway (`updateFacts`). The vector is a view of `bytes` where
 * their alignment allows.
 */
export function decodeUpdate(
  bytes: Uint8Array,
  shape: UpdateShape,
): Result<Float32Array, UpdateRefusal> {
  if (bytes.length > limits.updateBytesMax) {
    return refuse('too-large', `${bytes.length} bytes, at most ${limits.updateBytesMax}`);
  }
  const { headerBytes, version } = updateForm;
  if (bytes.length < headerBytes) return refuse('update-malformed', 'shorter than its header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!equalBytes(bytes.subarray(0, 4), magic) || view.getUint32(4, true) !== version) {
    return refuse('update-malformed', `not an update of version ${version}`);
  }
  const isAbout =
    equalBytes(bytes.subarray(bundleAt, roundAt), bundleBytes(shape.bundle)) &&
    equalBytes(bytes.subarray(roundAt, countAt), roundBytes(shape.round));
  if (!isAbout) {
    const named = hexOf(bytes.subarray(roundAt, countAt));
    return refuse('update-for-another', `it names round ${named} or another bundle`);
  }
  const tensors = view.getUint32(countAt, true);
  const valuesAt = headerBytes + 4 * shape.elements.length;
  if (tensors !== shape.elements.length || bytes.length !== updateBytesOf(shape)) {
    return refuse(
      'update-shape-mismatch',
      `${tensors} tensors in ${bytes.length} bytes, expected ${updateBytesOf(shape)} bytes`,
    );
  }
  const isShaped = shape.elements.every(
    (count, index) => view.getUint32(headerBytes + 4 * index, true) === count,
  );
  return isShaped
    ? ok(float32View(bytes.subarray(valuesAt)))
    : refuse('update-shape-mismatch', 'a tensor has another number of elements');
}

/** Little-endian float32 in place; every machine Skein runs on is little-endian, as ONNX tensors are. */
export function float32View(bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes);
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}

const refuse = (code: UpdateRefusal['code'], message: string): Result<never, UpdateRefusal> =>
  err({ code, message });
