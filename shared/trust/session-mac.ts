import { createHmac } from 'node:crypto';
import type { DownKind, UpKind } from '../contracts/topics.ts';
import { utf8 } from '../core/bytes.ts';
import { isSameSecret } from './hash.ts';

/**
 * What a session key authenticates besides the body. The direction stands in `kind`, because
 * `round` goes both ways.
 */
export interface MacContext {
  readonly kind: `up/${UpKind}` | `dn/${DownKind}`;
  readonly device: string;
  readonly epoch: string;
  readonly boot: string;
  readonly seq: number;
}

/**
 * HMAC-SHA256 under the session key over (kind, device, epoch, boot, seq, body) as netstrings: each part has its length
 * in front, so no two different messages are the same bytes. Hexadecimal, for `FrameHeader.mac`.
 */
export function sessionMac(key: Uint8Array, context: MacContext, body: Uint8Array): string {
  const { kind, device, epoch, boot, seq } = context;
  const parts = [kind, device, epoch, boot, String(seq)];
  let prefix = '';
  for (const part of parts) prefix += `${Buffer.byteLength(part)}:${part},`;
  return createHmac('sha256', key).update(`${prefix}${body.length}:`).update(body).digest('hex');
}

/** Constant in time over the tag. A frame without a tag is not authentic. */
export function isSessionMacValid(
  key: Uint8Array,
  context: MacContext,
  frame: { readonly body: Uint8Array; readonly mac: string | undefined },
): boolean {
  // Compared as text: the tag has one spelling, and a digest as text is the cheaper one.
  return isSameSecret(utf8(sessionMac(key, context, frame.body)), utf8(frame.mac ?? ''));
}
