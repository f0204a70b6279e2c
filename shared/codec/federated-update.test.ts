import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { updateBytesOf } from '../contracts/federation.ts';
import type { RoundId } from '../core/ids.ts';
import { decodeUpdate, encodeUpdate } from './federated-update.ts';

const shape = {
  round: 'rnd-0123456789abcdef' as RoundId,
  bundle: `sha256:${'ab'.repeat(32)}`,
  elements: [3, 2],
};
const tensors = [Float32Array.of(1, -2, 0.5), Float32Array.of(1e-30, 3e8)];

describe('a federated update', () => {
  it('when it was encoded for this round and bundle, gives back its values in order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float32Array({ maxLength: 20, noNaN: true }), { maxLength: 5 }),
        (values) => {
          const asked = { ...shape, elements: values.map((tensor) => tensor.length) };
          const bytes = encodeUpdate(asked, values);
          expect(bytes.length).toBe(updateBytesOf(asked));
          const decoded = decodeUpdate(bytes, asked);
          expect(decoded.ok && [...decoded.value]).toEqual(values.flatMap((tensor) => [...tensor]));
        },
      ),
    );
  });

  it('when its bytes do not start on a multiple of four, is read all the same', () => {
    const bytes = new Uint8Array(updateBytesOf(shape) + 1);
    bytes.set(encodeUpdate(shape, tensors), 1);
    const decoded = decodeUpdate(bytes.subarray(1), shape);
    expect(decoded.ok && [...decoded.value]).toEqual(tensors.flatMap((tensor) => [...tensor]));
  });

  it.each([
    ['update-malformed', (bytes: Uint8Array) => bytes.subarray(0, 51)],
    ['update-malformed', (bytes: Uint8Array) => bytes.with(0, 0)],
    ['update-malformed', (bytes: Uint8Array) => bytes.with(4, 2)],
    ['update-for-another', (bytes: Uint8Array) => bytes.with(8, 0)],
    ['update-for-another', (bytes: Uint8Array) => bytes.with(47, 0)],
    ['update-shape-mismatch', (bytes: Uint8Array) => bytes.with(48, 3)],
    ['update-shape-mismatch', (bytes: Uint8Array) => bytes.with(52, 2).with(56, 3)],
    ['update-shape-mismatch', (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 4)],
  ])('when its form is wrong, is refused with %s', (code, damage) => {
    const decoded = decodeUpdate(damage(encodeUpdate(shape, tensors)), shape);
    expect(decoded).toMatchObject({ ok: false, error: { code } });
  });

  it('when the bytes are anything at all, is refused and does not throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        expect(decodeUpdate(bytes, shape).ok).toBe(false);
      }),
    );
  });
});
