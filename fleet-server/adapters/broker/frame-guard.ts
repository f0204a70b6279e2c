import type { Duplex } from 'node:stream';
import { limits } from '../../../shared/contracts/limits.ts';

/** Why a byte stream was cut before the broker buffered it. */
export type FrameFault = 'packet-too-large' | 'malformed-length' | 'connect-expected';

const connectType = 1;

/**
 * Reads only the fixed headers of an MQTT stream (MQTT 3.1.1, 2.2): type and remaining length, then
 * skips. aedes 1.x has no
 * limit of its own and takes a 32 MB PUBLISH into memory, so the length is judged before its first byte is handed on.
 */
export class FrameGuard {
  readonly #bytesMax: number;
  #skip = 0;
  #type = -1;
  #length = 0;
  #lengthBytes = 0;
  #isFirst = true;

  constructor(bytesMax: number = limits.frameBytesMax + limits.mqttHeadroomBytes) {
    this.#bytesMax = bytesMax;
  }

  /** The fault in these next bytes of the stream, or `undefined`. After a fault the guard must not be used again. */
  scan(chunk: Uint8Array): FrameFault | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at);
        this.#skip -= step;
        at += step;
        continue;
      }
      const fault = this.#take(chunk[at] ?? 0);
      if (fault !== undefined) return fault;
      at += 1;
    }
    return undefined;
  }

  #take(byte: number): FrameFault | undefined {
    if (this.#type < 0) {
      this.#type = byte >> 4;
      this.#length = 0;
      this.#lengthBytes = 0;
      // MQTT-3.1.0-1: the first packet is a CONNECT; the parser need not see anything else.
      return this.#isFirst && this.#type !== connectType ? 'connect-expected' : undefined;
    }
    this.#length += (byte & 0x7f) * (1 << (7 * this.#lengthBytes));
    this.#lengthBytes += 1;
    if (byte >= 0x80) return this.#lengthBytes === 4 ? 'malformed-length' : undefined;
    const max = this.#type === connectType ? limits.mqttConnectBytesMax : this.#bytesMax;
    if (this.#length > max) return 'packet-too-large';
    this.#skip = this.#length;
    this.#type = -1;
    this.#isFirst = false;
    return undefined;
  }
}

/**
 * Puts a guard into the stream's own `read`, where aedes takes its bytes: no second stream, no copy, and back-pressure
 * stays the socket's. A faulty stream is destroyed and reads as empty.
 */
export function guardReads(stream: Duplex, refused: (fault: FrameFault) => void): void {
  const guard = new FrameGuard();
  const read = stream.read.bind(stream);
  stream.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    if (!(chunk instanceof Uint8Array)) return chunk;
    const fault = guard.scan(chunk);
    if (fault === undefined) return chunk;
    refused(fault);
    stream.destroy();
    return null;
  };
}
