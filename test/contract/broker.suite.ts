import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { limits } from '../../shared/contracts/limits.ts';
import { upTopic } from '../../shared/contracts/topics.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import {
  addressOf,
  connectDevice,
  createSuiteGate,
  HeardMessages,
  type MessageWorld,
} from '../support/message-world.ts';

const press = addressOf('press-7');
const lathe = addressOf('lathe-3');

const ignore = (): void => undefined;

/** What every Broker promises to the server. */
export function brokerSuite(name: string, open: () => Promise<MessageWorld>): void {
  describe(`Broker: ${name}`, () => {
    let world: MessageWorld;
    let heard: HeardMessages;
    let atTheDoor: () => Promise<void>;

    beforeEach(async () => {
      world = await open();
      heard = new HeardMessages();
      atTheDoor = async () => undefined;
      const gate = createSuiteGate(world.nowMs, () => atTheDoor());
      await world.settle(world.broker.start(gate, heard));
    });
    afterEach(() => world.close());

    test('given a device, its messages reach the server with its address and kind, in order', async () => {
      const { session } = await connectDevice(world, press);
      for (const body of ['1', '2', '3']) {
        await world.settle(session.publish(upTopic(press, 'window'), utf8(body)));
      }
      await world.settle(session.publish(upTopic(press, 'presence'), utf8('on'), { retain: true }));
      await world.pass();
      expect(heard.lines).toEqual([
        'plant/press-7 window 1',
        'plant/press-7 window 2',
        'plant/press-7 window 3',
        'plant/press-7 presence on',
      ]);
    });

    test('given a started broker, it is open until it is closed', async () => {
      expect(world.broker.isOpen()).toBe(true);
      await world.settle(world.broker.close());
      expect(world.broker.isOpen()).toBe(false);
    });

    test('given two devices, a message to one reaches that one alone', async () => {
      const one = await connectDevice(world, press);
      const two = await connectDevice(world, lathe);
      await world.broker.publish(press, { kind: 'desired', bytes: utf8('for press') });
      await world.broker.publish(press, { kind: 'ack', bytes: utf8('7') });
      await world.pass();
      expect(one.inbox).toEqual(['desired for press', 'ack 7']);
      expect(two.inbox).toEqual([]);
    });

    test('given equal names in two fleets, both stay connected and hear their own', async () => {
      const other = addressOf('press-7', 'yard');
      const one = await connectDevice(world, press);
      const two = await connectDevice(world, other);
      await world.broker.publish(other, { kind: 'command', bytes: utf8('for yard') });
      await world.pass();
      expect(world.broker.connectedCount()).toBe(2);
      expect(one.inbox).toEqual([]);
      expect(two.inbox).toEqual(['command for yard']);
      expect(one.endings).toEqual([]);
    });

    test('given nobody connected, a message is no error, and only a retained one is kept', async () => {
      await world.broker.publish(press, { kind: 'command', bytes: utf8('lost') });
      await world.broker.publish(press, { kind: 'desired', bytes: utf8('old'), retain: true });
      await world.broker.publish(press, { kind: 'desired', bytes: utf8('new'), retain: true });
      const one = await connectDevice(world, press);
      const two = await connectDevice(world, lathe);
      await world.pass();
      expect(one.inbox).toEqual(['desired new']);
      expect(two.inbox).toEqual([]);
    });

    test('given empty retained bytes, what was kept is forgotten', async () => {
      await world.broker.publish(press, { kind: 'desired', bytes: utf8('old'), retain: true });
      await world.broker.publish(press, { kind: 'desired', bytes: utf8(''), retain: true });
      const { inbox } = await connectDevice(world, press);
      await world.pass();
      expect(inbox).toEqual([]);
    });

    test('when a connection breaks, the will is heard once; after a farewell it is not', async () => {
      const one = await connectDevice(world, press);
      const two = await connectDevice(world, lathe);
      await world.cut('press-7');
      await world.settle(two.session.close());
      await world.pass(20);
      expect(heard.lines).toEqual(['plant/press-7 presence offline']);
      expect(one.endings).toHaveLength(1);
      expect(two.endings).toEqual([]);
      expect(world.broker.connectedCount()).toBe(0);
    });

    test('when a device logs in a second time, the newer session stays and the older ends', async () => {
      const older = await connectDevice(world, press);
      const newer = await connectDevice(world, press);
      await world.broker.publish(press, { kind: 'ack', bytes: utf8('1') });
      await world.pass(20);
      expect(older.endings).toHaveLength(1);
      expect(older.inbox).toEqual([]);
      expect(newer.inbox).toEqual(['ack 1']);
      expect(newer.endings).toEqual([]);
      expect(world.broker.connectedCount()).toBe(1);
    });

    test('when a device is kicked, its session ends with its will; others stay', async () => {
      const one = await connectDevice(world, press);
      const two = await connectDevice(world, lathe);
      await world.settle(world.broker.kick(press));
      await world.pass(20);
      expect(world.broker.isConnected(press)).toBe(false);
      expect(world.broker.isConnected(lathe)).toBe(true);
      expect(one.endings).toHaveLength(1);
      expect(two.endings).toEqual([]);
      expect(heard.lines).toEqual(['plant/press-7 presence offline']);
      await world.settle(world.broker.kick(press));
    });

    test('when a device is purged, nothing of it is left: session, will, retained', async () => {
      await world.broker.publish(press, { kind: 'desired', bytes: utf8('old'), retain: true });
      const one = await connectDevice(world, press);
      await world.pass();
      await world.settle(world.broker.purge(press));
      await world.pass(20);
      expect(one.endings).toHaveLength(1);
      expect(heard.lines).toEqual([]);
      const again = await connectDevice(world, press);
      await world.pass();
      expect(again.inbox).toEqual([]);
    });

    test('when a device is purged while its login is judged, it gets no session and leaves no will', async () => {
      const other = await connectDevice(world, lathe);
      atTheDoor = () => world.broker.purge(press);
      await world.settle(connectDevice(world, press).then(ignore, ignore));
      await world.pass(20);
      expect(world.broker.isConnected(press)).toBe(false);
      expect(heard.lines).toEqual([]);
      expect(other.endings).toEqual([]);
      atTheDoor = async () => undefined;
      await connectDevice(world, press);
      expect(world.broker.isConnected(press)).toBe(true);
    });

    test('when a token runs out, the session ends', async () => {
      const one = await connectDevice(world, press, { password: 'plant:1' });
      await world.pass(1100);
      expect(one.endings).toHaveLength(1);
      expect(world.broker.isConnected(press)).toBe(false);
    });

    test('when a full frame is sent each way, it arrives whole', async () => {
      const { session, inbox } = await connectDevice(world, press);
      const full = new Uint8Array(limits.frameBytesMax).fill(120);
      await world.settle(session.publish(upTopic(press, 'window'), full));
      await world.broker.publish(press, { kind: 'command', bytes: full });
      await world.pass(20);
      expect(heard.lines).toEqual([`plant/press-7 window ${limits.frameBytesMax} bytes`]);
      expect(inbox).toEqual([`command ${limits.frameBytesMax}`]);
    });

    test('when a frame above the limit is sent, the session ends and the server hears its will alone', async () => {
      const { session, endings } = await connectDevice(world, press);
      const large = new Uint8Array(limits.frameBytesMax + 1);
      await expect(
        world.settle(session.publish(upTopic(press, 'window'), large)),
      ).rejects.toMatchObject({ code: 'session-closed' });
      await world.pass(20);
      expect(endings).toHaveLength(1);
      expect(heard.lines).toEqual(['plant/press-7 presence offline']);
    });

    const foreign: [string, string, boolean][] = [
      ['another device', upTopic(lathe, 'window'), false],
      ['its own orders', upTopic(press, 'window').replace('/up/window', '/dn/desired'), false],
      ['an unknown kind', upTopic(press, 'window').replace('window', 'gossip'), false],
      ['a deeper level', `${upTopic(press, 'window')}/1`, false],
      ['the broker itself', '$SYS/broker/uptime', false],
      ['a retained window', upTopic(press, 'window'), true],
    ];
    test.each(foreign)(
      'when a device publishes %s, its session ends',
      async (_name, topic, retain) => {
        const one = await connectDevice(world, press);
        const two = await connectDevice(world, lathe);
        await expect(
          world.settle(one.session.publish(topic, utf8('x'), { retain })),
        ).rejects.toMatchObject({ code: 'session-closed' });
        await world.pass(20);
        expect(heard.lines).toEqual(['plant/press-7 presence offline']);
        expect(two.inbox).toEqual([]);
        expect(two.endings).toEqual([]);
      },
    );

    test('when the broker closes, every session ends', async () => {
      const one = await connectDevice(world, press);
      await world.settle(world.broker.close());
      await world.pass(20);
      expect(one.endings).toHaveLength(1);
    });
  });
}
