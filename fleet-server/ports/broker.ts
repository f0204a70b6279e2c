import type { DeviceAddress, DownKind, UpKind } from '../../shared/contracts/topics.ts';
import type { Result } from '../../shared/core/result.ts';

/**
 * The hint channel's server side. A broker is not trusted and forgets: what it hands over is
 * authenticated again, and state
 * is reconciled at each connect. Access rules are those of `shared/contracts/topic-access.ts`.
 */
export interface Broker {
  /** Opens the listeners. Throws `listen-failed` or `plaintext-refused`. */
  start(gate: BrokerGate, listener: BrokerListener): Promise<void>;
  /**
   * Hands a message to the device's session, if it has one; QoS 1 (`ack`: 0), no promise of delivery. Resolves when
   * the broker has it, never waiting for a slow reader. `retain` keeps it for later sessions; empty retained bytes
   * forget it.
   */
  publish(address: DeviceAddress, message: DownMessage): Promise<void>;
  /** True from the end of `start` until `close`, while each listener takes connections. */
  isOpen(): boolean;
  isConnected(address: DeviceAddress): boolean;
  connectedCount(): number;
  /** Ends the device's session; its will is published. Nothing happens without one. */
  kick(address: DeviceAddress): Promise<void>;
  /**
   * Decommission: ends the session without its will and forgets what is retained for the device. A login that was
   * on its way in gets no session either.
   */
  purge(address: DeviceAddress): Promise<void>;
  close(): Promise<void>;
}

export interface DownMessage {
  readonly kind: DownKind;
  readonly bytes: Uint8Array;
  readonly retain?: boolean;
}

export interface UpMessage {
  readonly address: DeviceAddress;
  readonly kind: UpKind;
  /** One frame, at most `limits.frameBytesMax`. Nobody writes to it again: the listener may keep it. */
  readonly bytes: Uint8Array;
}

export interface BrokerListener {
  /** A slow listener slows the reading of that device alone. It must not reject. */
  received(message: UpMessage): Promise<void> | void;
}

export interface LoginAttempt {
  /** Equal to `username` and of the device-id form already. */
  readonly clientId: string;
  readonly password: string;
}

export interface BrokerLogin {
  readonly address: DeviceAddress;
  /** Wall clock of the server; the session ends then. */
  readonly expiresAtMs: number;
}

/** Who may log in; asked once per connection, before a session exists. */
export interface BrokerGate {
  checkLogin(attempt: LoginAttempt): Promise<Result<BrokerLogin, { readonly code: string }>>;
}
