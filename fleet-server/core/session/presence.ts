import type { BootId } from '../../../shared/core/ids.ts';

/** Birth, farewell or will of one connection, authenticated. */
export interface PresenceMessage {
  readonly boot: BootId;
  /** Presence counts by itself: of a connection's two numbers the birth has the lower, the will the higher. */
  readonly seq: number;
  readonly state: 'online' | 'offline';
}

export type Presence = PresenceMessage;

/**
 * The presence after a message, or `undefined` when the message is ignored. A broker publishes the will of a dead
 * connection whenever it notices, maybe after the device is back: a will older than the last birth says nothing.
 */
export function decidePresence(
  known: Presence | undefined,
  message: PresenceMessage,
): Presence | undefined {
  if (known === undefined) return message;
  if (message.boot !== known.boot) return message.state === 'online' ? message : undefined;
  return message.seq > known.seq ? message : undefined;
}

/** The two presence numbers of the next connection, given how many this boot has made. */
export function presenceNumbers(connection: number): {
  readonly birth: number;
  readonly will: number;
} {
  return { birth: 2 * connection, will: 2 * connection + 1 };
}
