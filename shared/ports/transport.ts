/**
 * Hint channel between device and server (MQTT 3.1.1 semantics, QoS 1). Delivery proves nothing:
 * whatever has an effect is signed or authenticated end to end, and state is reconciled on connect.
 */
export interface Transport {
  /** Opens one session. Throws an OperatingError (`connect-failed`, `login-refused`, ...) when it cannot. */
  connect(options: TransportConnect, listener: TransportListener): Promise<TransportSession>;
}

export interface TransportConnect {
  /** Also the MQTT client id and the login. */
  readonly clientId: string;
  /** The short-lived broker token. */
  readonly password: string;
  readonly will: { readonly topic: string; readonly bytes: Uint8Array };
  readonly subscribe: readonly string[];
  readonly keepaliveMs: number;
  /** Where the login says the broker is; an adapter that was built for one address ignores it. */
  readonly url?: string;
}

export interface TransportListener {
  /** The message is acknowledged to the broker after the returned promise settles. */
  received(topic: string, bytes: Uint8Array): Promise<void> | void;
  /** Called once, when the session ended for any reason but `close()`. */
  closed(reason: string): void;
}

export interface TransportSession {
  /** Resolves at PUBACK, which means only that the broker has it. Rejects when the session ends first. */
  publish(topic: string, bytes: Uint8Array, options?: { readonly retain?: boolean }): Promise<void>;
  close(): Promise<void>;
}
