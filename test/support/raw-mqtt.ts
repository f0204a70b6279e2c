import { connect, type Socket } from 'node:net';

/** MQTT 3.1.1 packets by hand, for what no well-behaved client sends. */
const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]);
};

export function packet(head: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(head), lengthOf(body.length), body]);
}

/** Remaining length, 7 bits a byte (2.2.3). */
export function lengthOf(length: number): Buffer {
  const bytes: number[] = [];
  let left = length;
  do {
    bytes.push((left % 128) | (left >= 128 ? 128 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return Buffer.from(bytes);
}

export interface RawConnect {
  readonly clientId: string;
  readonly username?: string;
  readonly password: string;
  readonly clean?: boolean;
  readonly keepaliveS?: number;
  readonly level?: number;
}

export function connectPacket(options: RawConnect): Buffer {
  const { clientId, password, clean = true, keepaliveS = 60, level = 4 } = options;
  const flags = 0xc0 | (clean ? 2 : 0);
  const properties = level === 5 ? [Buffer.of(0)] : [];
  const head = [text('MQTT'), Buffer.of(level, flags, keepaliveS >> 8, keepaliveS & 255)];
  const login = [text(clientId), text(options.username ?? clientId), text(password)];
  return packet(0x10, Buffer.concat([...head, ...properties, ...login]));
}

export const publishPacket = (topic: string, payload: Buffer, flags = 0): Buffer => {
  const id = (flags & 6) === 0 ? [] : [Buffer.of(0, 1)];
  return packet(0x30 | flags, Buffer.concat([text(topic), ...id, payload]));
};

export const subscribePacket = (filter: string): Buffer =>
  packet(0x82, Buffer.concat([Buffer.of(0, 2), text(filter), Buffer.of(1)]));

export const unsubscribePacket = (filter: string): Buffer =>
  packet(0xa2, Buffer.concat([Buffer.of(0, 3), text(filter)]));

/** A TCP connection that remembers what came. */
export class RawClient {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #changed: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      this.#wake();
    });
    // A reset is one of the ways to be cut.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#wake());
  }

  static open(port: number): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port });
    return new Promise((resolve) => socket.once('connect', () => resolve(new RawClient(socket))));
  }

  send(...packets: Buffer[]): void {
    this.socket.write(Buffer.concat(packets));
  }

  received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Resolves when so many bytes have come, or the connection is over. */
  async bytes(count: number): Promise<Buffer> {
    while (this.#length < count && !this.socket.closed) await this.#change();
    return this.received();
  }

  /** Resolves when so many bytes have come, without collecting them. */
  async length(count: number): Promise<void> {
    while (this.#length < count && !this.socket.closed) await this.#change();
  }

  async closed(): Promise<void> {
    while (!this.socket.closed) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  #wake(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const resolve of waiting) resolve();
  }
}
