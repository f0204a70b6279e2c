import { type FrameHeader, FrameHeaderSchema } from '../contracts/frame.ts';
import { limits } from '../contracts/limits.ts';
import { utf8 } from '../core/bytes.ts';
import { err, ok, type Result } from '../core/result.ts';
import { createValidator, parseStrictJson } from './validator.ts';

export interface Frame {
  readonly header: FrameHeader;
  /** A view of the received bytes, not a copy: what was signed or sealed. */
  readonly body: Uint8Array;
}

export interface FrameFailure {
  readonly code: 'too-large' | 'malformed-frame';
  readonly message: string;
}

const lineFeed = 10;
const validateHeader = createValidator(FrameHeaderSchema);

/** Header line, line feed, body. The caller has bounded the body; one frame is at most `limits.frameBytesMax`. */
export function encodeFrame(header: FrameHeader, body: Uint8Array): Uint8Array {
  const line = utf8(JSON.stringify(header));
  const bytes = new Uint8Array(line.length + 1 + body.length);
  bytes.set(line, 0);
  bytes[line.length] = lineFeed;
  bytes.set(body, line.length + 1);
  return bytes;
}

/** Size, header line, strict JSON, schema: in that order. The body is not looked at. */
export function decodeFrame(bytes: Uint8Array): Result<Frame, FrameFailure> {
  if (bytes.length > limits.frameBytesMax) {
    return fail('too-large', `${bytes.length} bytes, at most ${limits.frameBytesMax}`);
  }
  const end = bytes.subarray(0, limits.frameHeaderBytesMax + 1).indexOf(lineFeed);
  if (end < 0) return fail('malformed-frame', 'no header line');
  const parsed = parseStrictJson(bytes.subarray(0, end));
  if (!parsed.ok) return fail('malformed-frame', parsed.error.message);
  const header = validateHeader(parsed.value);
  if (!header.ok) return fail('malformed-frame', `${header.error.pointer} ${header.error.message}`);
  return ok({ header: header.value, body: bytes.subarray(end + 1) });
}

/** `trustedNowMs`: absent while this side has no trusted time, and then nothing can be said to be late. */
export const isFrameExpired = ({ exp }: FrameHeader, trustedNowMs: number | undefined): boolean =>
  exp !== undefined && trustedNowMs !== undefined && trustedNowMs > exp;

const fail = (code: FrameFailure['code'], message: string): Result<never, FrameFailure> =>
  err({ code, message });
