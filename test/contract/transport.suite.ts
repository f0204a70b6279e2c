import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { limits } from '../../shared/contracts/limits.ts';
import { downFilter, upTopic } from '../../shared/contracts/topics.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import type { TransportConnect } from '../../shared/ports/transport.ts';
import {
  addressOf,
  connectDevice,
  connectOptions,
  createSuiteGate,
  HeardMessages,
  type MessageWorld,
} from '../support/message-world.ts';

const press = addressOf('press-7');
const lathe = addressOf('lathe-3');
const silent = { received: () => undefined, closed: () => undefined };

/** What every Transport promises to the agent. */
export function transportSuite(name: string, open: () => Promise<MessageWorld>): void {
  describe(`Transport: ${name}`, () => {
    let world: MessageWorld;
    let heard: HeardMessages;

    beforeEach(async () => {
      world = await open();
      heard = new HeardMessages();
      await world.settle(world.broker.start(createSuiteGate(world.nowMs), heard));
    });
    afterEach(() => world.close());

    const presence = (address = press) => upTopic(address, 'presence');
    const refusals: [string, Partial<TransportConnect>][] = [
      ['a password nobody issued', { password: 'nonsense' }],
      ['a token that ran out', { password: 'plant:0' }],
      ["another device's filter", { subscribe: [downFilter(lathe)] }],
      ['every topic', { subscribe: ['#'] }],
      ['every device', { subscribe: ['skein/v1/plant/+/+/dn/+'] }],
      ['more than its filter', { subscribe: [downFilter(press), '$SYS/#'] }],
      ['a shared filter', { subscribe: ['$share/g/dn/+'] }],
      ['one kind only', { subscribe: [downFilter(press).replace('+', 'desired')] }],
      ["another device's will", { will: { topic: presence(lathe), bytes: utf8('x') } }],
      ['a will of another kind', { will: { topic: upTopic(press, 'window'), bytes: utf8('x') } }],
      [
        'a large will',
        { will: { topic: presence(), bytes: new Uint8Array(limits.willBytesMax + 1) } },
      ],
      ['a keepalive of an hour', { keepaliveMs: 3_600_000 }],
    ];
    test.each(refusals)(
      'when a device comes with %s, the login is refused',
      async (_name, changes) => {
        const attempt = world.transport('press-7').connect(connectOptions(press, changes), silent);
        await expect(world.settle(attempt)).rejects.toMatchObject({
          code: 'login-refused',
          retryable: false,
        });
        await world.pass(20);
        expect(world.broker.isConnected(press)).toBe(false);
        expect(heard.lines.filter((line) => !line.endsWith('presence offline'))).toEqual([]);
      },
    );

    const ids = [
      '+',
      '#',
      'a/b',
      '$SYS',
      'A',
      'a',
      '-a',
      'ü-press',
      'a'.repeat(64),
      'x'.repeat(5000),
    ];
    test.each(ids)('when the client id is %s, the login is refused', async (clientId) => {
      const options = { ...connectOptions(press), clientId };
      const attempt = world.transport('odd').connect(options, silent);
      // A CONNECT of 5,000 characters may also be cut before it is read.
      await expect(world.settle(attempt)).rejects.toMatchObject({
        code: clientId.length > 1000 ? /login-refused|connect-failed/ : 'login-refused',
      });
      expect(world.broker.connectedCount()).toBe(0);
    });

    test('when a refused device comes back with a good token, it gets in', async () => {
      const refused = world
        .transport('press-7')
        .connect(connectOptions(press, { password: 'no' }), silent);
      await expect(world.settle(refused)).rejects.toMatchObject({ code: 'login-refused' });
      const { session } = await connectDevice(world, press);
      await world.settle(session.publish(upTopic(press, 'window'), utf8('here')));
      await world.pass();
      expect(heard.lines).toEqual(['plant/press-7 window here']);
    });

    test('when the broker is closed, connecting fails and may be tried again', async () => {
      await world.settle(world.broker.close());
      const attempt = world.transport('press-7').connect(connectOptions(press), silent);
      await expect(world.settle(attempt)).rejects.toMatchObject({
        code: 'connect-failed',
        retryable: true,
      });
    });

    test('when the listener takes its time, the next message waits for it', async () => {
      const seen: string[] = [];
      let release: (() => void) | undefined;
      const session = await world.settle(
        world.transport('press-7').connect(connectOptions(press), {
          received: async (topic) => {
            seen.push(topic.split('/').at(-1) ?? '');
            if (seen.length === 1) await new Promise<void>((resolve) => (release = resolve));
          },
          closed: () => undefined,
        }),
      );
      await world.broker.publish(press, { kind: 'desired', bytes: utf8('1') });
      await world.broker.publish(press, { kind: 'ack', bytes: utf8('2') });
      await world.pass(20);
      expect(seen).toEqual(['desired']);
      release?.();
      await world.pass(20);
      expect(seen).toEqual(['desired', 'ack']);
      await world.settle(session.close());
    });

    test('when the listener fails, the message is not acknowledged and the session ends', async () => {
      const endings: string[] = [];
      await world.settle(
        world.transport('press-7').connect(connectOptions(press), {
          received: () => Promise.reject(new Error('the journal is full')),
          closed: (reason) => endings.push(reason),
        }),
      );
      await world.broker.publish(press, { kind: 'desired', bytes: utf8('1') });
      await world.pass(20);
      expect(endings).toHaveLength(1);
      expect(world.broker.isConnected(press)).toBe(false);
    });

    test('when the connection breaks, what waits is rejected and so is what comes after', async () => {
      const { session, endings } = await connectDevice(world, press);
      await world.cut('press-7');
      await world.pass(20);
      expect(endings).toHaveLength(1);
      await expect(
        world.settle(session.publish(upTopic(press, 'window'), utf8('late'))),
      ).rejects.toMatchObject({ code: 'session-closed', retryable: true });
      await world.settle(session.close());
      expect(endings).toHaveLength(1);
    });

    test('when more publishes wait than the limit, the next is refused and the others arrive', async () => {
      const { session } = await connectDevice(world, press);
      const publish = () => session.publish(upTopic(press, 'window'), utf8('w'));
      const waiting = Array.from({ length: limits.transportInflightMax }, publish);
      await expect(publish()).rejects.toMatchObject({ code: 'transport-busy', retryable: true });
      await world.settle(Promise.all(waiting));
      await world.pass();
      expect(heard.lines).toHaveLength(limits.transportInflightMax);
    });

    test('when it closes twice, the second is nothing, and its listener hears of no end', async () => {
      const { session, endings } = await connectDevice(world, press);
      await world.settle(session.close());
      await world.settle(session.close());
      await world.pass(20);
      expect(endings).toEqual([]);
      expect(heard.lines).toEqual([]);
    });
  });
}
