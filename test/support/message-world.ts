import type { Broker, BrokerGate, UpMessage } from '../../fleet-server/ports/broker.ts';
import { topicAccessOf } from '../../shared/contracts/topic-access.ts';
import { type DeviceAddress, downFilter, upTopic } from '../../shared/contracts/topics.ts';
import { textOf, utf8 } from '../../shared/core/bytes.ts';
import type { DeviceId, FleetId } from '../../shared/core/ids.ts';
import { err, ok } from '../../shared/core/result.ts';
import type {
  Transport,
  TransportConnect,
  TransportSession,
} from '../../shared/ports/transport.ts';

/** A broker and the means to reach it, real or simulated; the suites know nothing else. */
export interface MessageWorld {
  readonly broker: Broker;
  readonly nowMs: () => number;
  /** The wire of one device. */
  transport(link: string): Transport;
  /** The connection of that wire breaks. */
  cut(link: string): Promise<void>;
  /** Lets everything under way happen, and at least so much time pass. */
  pass(ms?: number): Promise<void>;
  /** Runs a promise of the world to its end. */
  settle<T>(work: Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export const addressOf = (device: string, inFleet = 'plant'): DeviceAddress => ({
  fleet: inFleet as FleetId,
  device: device as DeviceId,
});

/** Passwords of the suites: `<fleet>:<seconds to live>`, or anything else to be refused. `meanwhile` runs at each. */
export function createSuiteGate(
  nowMs: () => number,
  meanwhile: () => Promise<void> = async () => undefined,
): BrokerGate {
  return {
    async checkLogin({ clientId, password }) {
      await meanwhile();
      const [named = '', seconds = ''] = password.split(':');
      if (!/^[0-9]+$/.test(seconds)) return err({ code: 'token-invalid' });
      const expiresAtMs = nowMs() + Number(seconds) * 1000;
      return ok({ address: addressOf(clientId, named), expiresAtMs });
    },
  };
}

export const connectOptions = (
  address: DeviceAddress,
  changes: Partial<TransportConnect> = {},
): TransportConnect => ({
  clientId: address.device,
  password: `${address.fleet}:600`,
  will: { topic: upTopic(address, 'presence'), bytes: utf8('offline') },
  subscribe: [downFilter(address)],
  keepaliveMs: 60_000,
  ...changes,
});

/** What the server heard, as short text: `<fleet>/<device> <kind> <body>`. */
export class HeardMessages {
  readonly lines: string[] = [];

  readonly received = ({ address, kind, bytes }: UpMessage): void => {
    const body = bytes.length > 100 ? `${bytes.length} bytes` : textOf(bytes);
    this.lines.push(`${address.fleet}/${address.device} ${kind} ${body ?? '?'}`);
  };
}

/** A device of the suites: its session and what came in. */
export interface SuiteDevice {
  readonly session: TransportSession;
  readonly inbox: string[];
  readonly endings: string[];
}

export async function connectDevice(
  world: MessageWorld,
  address: DeviceAddress,
  changes: Partial<TransportConnect> = {},
): Promise<SuiteDevice> {
  const inbox: string[] = [];
  const endings: string[] = [];
  const access = topicAccessOf(address);
  const session = await world.settle(
    world.transport(address.device).connect(connectOptions(address, changes), {
      received: (topic, bytes) => {
        const name = access.mayReceive(topic) ? topic.split('/').at(-1) : `FOREIGN ${topic}`;
        inbox.push(`${name ?? ''} ${bytes.length > 100 ? bytes.length : (textOf(bytes) ?? '?')}`);
      },
      closed: (reason) => endings.push(reason),
    }),
  );
  return { session, inbox, endings };
}
