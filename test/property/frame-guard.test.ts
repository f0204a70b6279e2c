import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameGuard } from '../../fleet-server/adapters/broker/frame-guard.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { packet } from '../support/raw-mqtt.ts';

const bytesMax = 200;
const connect = packet(0x10, Buffer.alloc(20));

/** Cuts bytes at the drawn places and feeds the pieces until a fault shows. */
function scanInPieces(bytes: Buffer, cuts: readonly number[]): string | undefined {
  const guard = new FrameGuard(bytesMax);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  places.sort((a, b) => a - b);
  for (let i = 1; i < places.length; i += 1) {
    const fault = guard.scan(bytes.subarray(places[i - 1], places[i]));
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const cuts = fc.array(fc.nat(), { maxLength: 12 });

test('given any packets within the bound and any cuts, nothing is refused', () => {
  const packets = fc.array(fc.tuple(fc.integer({ min: 2, max: 14 }), fc.nat({ max: bytesMax })));
  fc.assert(
    fc.property(packets, cuts, (drawn, places) => {
      const bodies = drawn.map(([type, length]) => packet(type << 4, Buffer.alloc(length, 0xff)));
      expect(scanInPieces(Buffer.concat([connect, ...bodies]), places)).toBeUndefined();
    }),
  );
});

test('given one packet above the bound among others, the stream is refused wherever it is cut', () => {
  const lengths = fc.array(fc.nat({ max: bytesMax }), { maxLength: 5 });
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 70_000 }), cuts, (before, excess, places) => {
      const bodies = before.map((length) => packet(0x30, Buffer.alloc(length)));
      const large = packet(0x32, Buffer.alloc(bytesMax + excess));
      const stream = Buffer.concat([connect, ...bodies, large]);
      expect(scanInPieces(stream, places)).toBe('packet-too-large');
    }),
  );
});

test('given only the header of a packet above the bound, it is refused before any of its body', () => {
  const guard = new FrameGuard();
  expect(guard.scan(connect)).toBeUndefined();
  const largest = limits.frameBytesMax + limits.mqttHeadroomBytes;
  const head = packet(0x32, Buffer.alloc(largest + 1)).subarray(0, 4);
  expect(guard.scan(head)).toBe('packet-too-large');
});

test('given any bytes that do not begin with CONNECT, the first is enough', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
      const isConnect = bytes[0]! >> 4 === 1;
      if (!isConnect) expect(new FrameGuard().scan(bytes)).toBe('connect-expected');
    }),
  );
});
