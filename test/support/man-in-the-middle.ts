import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { lengthOf } from './raw-mqtt.ts';

export type Way = 'up' | 'down';

/** One MQTT message as it goes on; the packet id is the wire's own matter. */
export interface Message {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
}

/** A message as one end sent it. */
export interface Caught extends Message {
  readonly way: Way;
  readonly device: string;
  /** Last part of the topic. */
  readonly kind: string;
  /** Counts the connections of all devices. */
  readonly connection: number;
}

/** What goes on in the place of a message; each entry travels on the same connection. */
export type Tamper = (caught: Caught) => readonly Message[];

export const passOn: Tamper = (caught) => [caught];

/**
 * A hostile broker, made of an honest one and a wire that cannot be trusted: it takes every message of both ends and
 * acknowledges it at once, remembers it, and sends on whatever `tamper` says.
 */
export class ManInTheMiddle {
  tamper: Tamper = passOn;
  readonly caught: Caught[] = [];
  readonly #server: Server;
  readonly #brokerPort: number;
  readonly #wires = new Set<Wire>();
  #connections = 0;

  private constructor(server: Server, brokerPort: number) {
    this.#server = server;
    this.#brokerPort = brokerPort;
  }

  static async open(brokerPort: number): Promise<ManInTheMiddle> {
    const server = createServer();
    const man = new ManInTheMiddle(server, brokerPort);
    server.on('connection', (socket) => man.#accept(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return man;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Says something of its own on every connection of the device that is open. */
  inject(device: string, way: Way, message: Message): void {
    for (const wire of this.#wires) if (wire.device === device) wire.send(way, message);
  }

  cut(): void {
    for (const wire of this.#wires) wire.cut();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(device: Socket): void {
    this.#connections += 1;
    const connection = this.#connections;
    const broker = connect(this.#brokerPort, '127.0.0.1');
    const wire: Wire = new Wire({ up: device, down: broker }, (way, message) => {
      const kind = message.topic.split('/').at(-1) ?? '';
      const caught: Caught = { ...message, way, kind, device: wire.device, connection };
      this.caught.push(caught);
      return this.tamper(caught);
    });
    this.#wires.add(wire);
    broker.once('close', () => this.#wires.delete(wire));
  }
}

/** `up` comes from the device and goes to the broker. */
class Wire {
  device = '';
  readonly #from: Readonly<Record<Way, Socket>>;
  readonly #ids = { up: 0, down: 0 };

  constructor(
    from: Readonly<Record<Way, Socket>>,
    judge: (way: Way, message: Message) => readonly Message[],
  ) {
    this.#from = from;
    for (const way of ['up', 'down'] as const) {
      let rest: Buffer = Buffer.alloc(0);
      from[way].on('data', (chunk: Buffer) => {
        rest = Buffer.concat([rest, chunk]);
        for (let end = packetEnd(rest); end !== undefined; end = packetEnd(rest)) {
          const packet = Buffer.from(rest.subarray(0, end));
          rest = rest.subarray(end);
          this.#pass(way, packet, judge);
        }
      });
      from[way].on('error', () => this.cut());
      from[way].on('close', () => this.cut());
    }
  }

  send(way: Way, message: Message): void {
    this.#ids[way] = (this.#ids[way] % 65_535) + 1;
    this.#write(way, packetOf(message, this.#ids[way]));
  }

  cut(): void {
    this.#from.up.destroy();
    this.#from.down.destroy();
  }

  #pass(way: Way, packet: Buffer, judge: (way: Way, message: Message) => readonly Message[]): void {
    const type = (packet[0] ?? 0) >> 4;
    // CONNECT: the client id is the first text behind the ten bytes of the variable header (3.1).
    if (type === 1) this.device = textAt(packet, headOf(packet) + 10);
    // PUBACK: both ends have had theirs from here.
    if (type === 4) return;
    if (type !== 3) {
      this.#write(way, packet);
      return;
    }
    const { message, id } = messageOf(packet);
    if (id !== undefined) this.#from[way].write(Buffer.of(0x40, 2, id >> 8, id & 255));
    for (const next of judge(way, message)) this.send(way, next);
  }

  #write(way: Way, packet: Buffer): void {
    const to = this.#from[way === 'up' ? 'down' : 'up'];
    if (!to.destroyed) to.write(packet);
  }
}

/** Where the first packet ends; undefined while it is not whole (2.2.3). */
function packetEnd(bytes: Buffer): number | undefined {
  let length = 0;
  for (let at = 1; at < Math.min(bytes.length, 5); at += 1) {
    const byte = bytes[at] ?? 0;
    length += (byte & 127) << (7 * (at - 1));
    if (byte >= 128) continue;
    const end = at + 1 + length;
    return end <= bytes.length ? end : undefined;
  }
  return undefined;
}

/** First byte behind the fixed header. */
function headOf(packet: Buffer): number {
  let at = 1;
  while ((packet[at] ?? 0) >= 128) at += 1;
  return at + 1;
}

const textAt = (packet: Buffer, at: number): string =>
  packet.subarray(at + 2, at + 2 + packet.readUInt16BE(at)).toString();

function messageOf(packet: Buffer): { readonly message: Message; readonly id: number | undefined } {
  const flags = packet[0] ?? 0;
  const at = headOf(packet);
  const topic = textAt(packet, at);
  const behind = at + 2 + packet.readUInt16BE(at);
  const qos = (flags >> 1) & 3;
  const payload = packet.subarray(qos === 0 ? behind : behind + 2);
  const message = { topic, payload, qos, retain: (flags & 1) === 1, dup: (flags & 8) === 8 };
  return { message, id: qos === 0 ? undefined : packet.readUInt16BE(behind) };
}

function packetOf({ topic, payload, qos, retain, dup }: Message, id: number): Buffer {
  const name = Buffer.from(topic);
  const head = Buffer.of(name.length >> 8, name.length & 255);
  const number = qos === 0 ? [] : [Buffer.of(id >> 8, id & 255)];
  const body = Buffer.concat([head, name, ...number, payload]);
  const flags = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  return Buffer.concat([Buffer.of(flags), lengthOf(body.length), body]);
}
