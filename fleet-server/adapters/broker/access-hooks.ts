import type { AedesOptions } from 'aedes';
import { limits } from '../../../shared/contracts/limits.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { DeviceSession, DeviceSessions } from './device-sessions.ts';

export interface AccessHookOptions {
  readonly sessions: DeviceSessions;
  readonly clock: Clock;
  readonly denied: (reason: string) => void;
}

/** The questions that aedes asks about every message and filter; whoever has no session gets a no. */
export function createAccessHooks({ sessions, clock, denied }: AccessHookOptions) {
  /** Slows a device that sends too fast: aedes reads on from a connection only when its last batch is done. */
  const paced = (session: DeviceSession, go: () => void): void => {
    const { rate, slowed, client } = session;
    const waitMs = rate.reserve(clock.monotonicMs());
    if (client.closed || (waitMs === 0 && slowed.length === 0)) {
      go();
      return;
    }
    // Each timer lets the oldest go: timers of different lengths may fire in another order than they were set.
    slowed.push(go);
    setTimeout(() => slowed.shift()?.(), waitMs).unref();
  };

  return {
    authenticate: (client, _username, _password, done) => {
      done(null, sessions.of(client) !== undefined);
    },

    // Wills come here too, when they are fired. A refused publish ends the connection: 3.1.1 has no other no.
    authorizePublish: (client, packet, done) => {
      const session = sessions.of(client);
      const { topic, retain, qos } = packet;
      if (session?.access.mayPublish({ topic, retain, qos }) === undefined) {
        denied('publish');
        done(new Error('not allowed to publish this'));
      } else if (packet.payload.length > limits.frameBytesMax) {
        denied('frame-too-large');
        done(new Error('the frame is too large'));
      } else {
        // The only reader is this server, live: keeping presence for nobody would only take memory.
        packet.retain = false;
        paced(session, () => done(null));
      }
    },

    authorizeSubscribe: (client, subscription, done) => {
      const session = sessions.of(client);
      if (session?.access.maySubscribe(subscription.topic) === true) {
        paced(session, () => done(null, subscription));
      } else {
        denied('subscribe');
        done(null, null);
      }
    },

    authorizeForward: (client, packet) => {
      if (sessions.of(client)?.access.mayReceive(packet.topic) === true) return packet;
      denied('forward');
      return null;
    },
  } satisfies AedesOptions;
}
