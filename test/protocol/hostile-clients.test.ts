import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectPacket } from 'aedes';
import { afterEach, describe, expect, test } from 'vitest';
import { createAccessHooks } from '../../fleet-server/adapters/broker/access-hooks.ts';
import {
  type BrokerBounds,
  defaultBrokerBounds,
} from '../../fleet-server/adapters/broker/broker-bounds.ts';
import {
  type BrokerClient,
  DeviceSessions,
} from '../../fleet-server/adapters/broker/device-sessions.ts';
import { systemClock } from '../../shared/adapters/clock/system-clock.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { downFilter, downTopic, upTopic } from '../../shared/contracts/topics.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { createBroker } from '../contract/message-worlds.ts';
import { addressOf, createSuiteGate, HeardMessages } from '../support/message-world.ts';
import {
  connectPacket,
  lengthOf,
  packet,
  publishPacket,
  RawClient,
  subscribePacket,
  unsubscribePacket,
} from '../support/raw-mqtt.ts';

const press = addressOf('press-7');
const lathe = addressOf('lathe-3');
const login = { clientId: 'press-7', password: 'plant:600' };
const accepted = Buffer.of(0x20, 2, 0, 0);

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function startBroker(bounds: Partial<BrokerBounds> = {}) {
  const heard = new HeardMessages();
  const { broker, metrics } = createBroker({ bounds });
  await broker.start(createSuiteGate(Date.now), heard);
  open.push(() => broker.close());
  const dial = () => RawClient.open(broker.ports()[0] ?? 0);
  const enter = async (options = login) => {
    const client = await dial();
    client.send(connectPacket(options));
    expect(await client.bytes(4)).toEqual(accepted);
    return client;
  };
  return { broker, heard, denied: metrics.byReason, dial, enter };
}

describe('given a stream that is not what MQTT says', () => {
  test('when 32 MB are announced, the connection is cut before they are taken', async () => {
    const { enter, denied, heard } = await startBroker();
    const client = await enter();
    const announced = 32 * 1024 * 1024;
    client.send(Buffer.of(0x32), lengthOf(announced), Buffer.alloc(64 * 1024));
    await client.closed();
    expect(denied.get('packet-too-large')).toBe(1);
    expect(heard.lines).toEqual([]);
  });

  test('when a frame is whole but above the limit, it is cut; the largest legal one passes', async () => {
    const { enter, denied, heard } = await startBroker();
    const topic = upTopic(press, 'window');
    const client = await enter();
    client.send(publishPacket(topic, Buffer.alloc(limits.frameBytesMax), 2));
    expect((await client.bytes(8)).subarray(4)).toEqual(Buffer.of(0x40, 2, 0, 1));
    client.send(publishPacket(topic, Buffer.alloc(limits.frameBytesMax + 1), 2));
    await client.closed();
    expect(denied.get('frame-too-large')).toBe(1);
    expect(heard.lines).toHaveLength(1);
  });

  test('when the first packet is no CONNECT, nothing of it is parsed', async () => {
    const { dial, denied } = await startBroker();
    const client = await dial();
    client.send(publishPacket(upTopic(press, 'window'), Buffer.from('x')));
    await client.closed();
    expect(denied.get('connect-expected')).toBe(1);
  });

  test('when CONNECT is larger than a login can be, it is cut', async () => {
    const { dial, denied } = await startBroker();
    const client = await dial();
    client.send(connectPacket({ ...login, password: 'p'.repeat(9000) }));
    await client.closed();
    expect(denied.get('packet-too-large')).toBe(1);
  });

  test('when a length never ends, it is cut', async () => {
    const { enter, denied } = await startBroker();
    const client = await enter();
    client.send(Buffer.of(0x32, 0xff, 0xff, 0xff, 0xff, 0xff));
    await client.closed();
    expect(denied.get('malformed-length')).toBe(1);
  });

  test('when nothing is sent at all, the wait has an end', async () => {
    const { dial, denied } = await startBroker({ loginTimeoutMs: 50 });
    const client = await dial();
    await client.closed();
    expect(denied.get('login-timeout')).toBe(1);
  });

  test('when packets are sent byte by byte, they mean the same', async () => {
    const { dial, heard } = await startBroker();
    const client = await dial();
    const bytes = [connectPacket(login), publishPacket(upTopic(press, 'window'), Buffer.from('x'))];
    for (const byte of Buffer.concat(bytes)) {
      client.send(Buffer.of(byte));
      await sleep(1);
    }
    await client.bytes(4);
    await sleep(30);
    expect(heard.lines).toEqual(['plant/press-7 window x']);
  });
});

describe('given a CONNECT that asks for what is not offered', () => {
  const refusals: [string, Parameters<typeof connectPacket>[0], number][] = [
    ['a session that outlives the connection', { ...login, clean: false }, 5],
    ['no keepalive', { ...login, keepaliveS: 0 }, 5],
    ['a keepalive beyond the bound', { ...login, keepaliveS: 1201 }, 5],
    ['MQTT 5', { ...login, level: 5 }, 1],
    ['a client id of +', { ...login, clientId: '+' }, 2],
    ['a login unlike its id', { ...login, username: 'lathe-3' }, 4],
    ['a password nobody issued', { ...login, password: 'guess' }, 5],
  ];
  test.each(refusals)(
    'when it is %s, CONNACK says why and nothing exists',
    async (_n, options, code) => {
      const { broker, dial } = await startBroker();
      const client = await dial();
      client.send(connectPacket(options));
      if (options.level !== 5) client.send(subscribePacket(downFilter(press)));
      await client.closed();
      expect(client.received()).toEqual(Buffer.of(0x20, 2, 0, code));
      expect(broker.connectedCount()).toBe(0);
    },
  );
});

describe('given a device that wants to hear others', () => {
  const filters = [
    '#',
    '+/#',
    'skein/#',
    'skein/v1/+/+/+/dn/+',
    downFilter(lathe),
    downTopic(lathe, 'desired'),
    downFilter(press).replace('/dn/+', '/#'),
    '$SYS/#',
    '$share/g/#',
  ];
  test.each(filters)(
    'when it subscribes to %s, live, retained and will messages pass it by',
    async (filter) => {
      const { broker, enter, denied } = await startBroker();
      await broker.publish(lathe, { kind: 'desired', bytes: utf8('retained'), retain: true });
      const client = await enter();
      client.send(subscribePacket(filter));
      expect((await client.bytes(9)).subarray(4)).toEqual(Buffer.of(0x90, 3, 0, 2, 0x80));
      const other = await enter({ clientId: 'lathe-3', password: 'plant:600' });
      other.send(subscribePacket(downFilter(lathe)));
      await other.bytes(20);
      await broker.publish(lathe, { kind: 'command', bytes: utf8('live') });
      other.send(publishPacket(upTopic(lathe, 'window'), Buffer.from('up')));
      await sleep(30);
      expect(other.received().toString()).toContain('retained');
      expect(other.received().toString()).toContain('live');
      other.socket.destroy();
      await sleep(30);
      expect(client.received()).toHaveLength(9);
      expect(denied.get('subscribe')).toBe(1);
    },
  );

  test('when it comes back, nothing was queued for it meanwhile', async () => {
    const { broker, enter } = await startBroker();
    const before = await enter();
    before.send(subscribePacket(downFilter(press)));
    await before.bytes(9);
    before.socket.destroy();
    await sleep(30);
    await broker.publish(press, { kind: 'command', bytes: utf8('meanwhile') });
    const after = await enter();
    await sleep(30);
    expect(after.received()).toEqual(accepted);
    after.send(subscribePacket(downFilter(press)));
    await sleep(30);
    expect(after.received()).toHaveLength(9);
  });

  test('when it unsubscribes, it hears no more', async () => {
    const { broker, enter } = await startBroker();
    const client = await enter();
    client.send(subscribePacket(downFilter(press)), unsubscribePacket(downFilter(press)));
    await client.bytes(13);
    await broker.publish(press, { kind: 'command', bytes: utf8('late') });
    await sleep(30);
    expect(client.received()).toHaveLength(13);
  });
});

describe('given a device that publishes what it may not', () => {
  const attempts: [string, Buffer][] = [
    ['QoS 2', publishPacket(upTopic(press, 'window'), Buffer.from('x'), 4)],
    ["another's topic", publishPacket(upTopic(lathe, 'window'), Buffer.from('x'), 2)],
    ['an order', publishPacket(downTopic(lathe, 'desired'), Buffer.from('x'))],
    ['a wildcard', publishPacket('skein/v1/plant/+/press-7/up/window', Buffer.from('x'))],
    ['a hundred levels', publishPacket('a/'.repeat(100), Buffer.from('x'))],
    ['a retained window', publishPacket(upTopic(press, 'window'), Buffer.from('x'), 1)],
  ];
  test.each(attempts)(
    'when it is %s, the connection ends without an acknowledgement',
    async (_n, bad) => {
      const { enter, heard } = await startBroker();
      const client = await enter();
      client.send(bad);
      await client.closed();
      expect(client.received()).toEqual(accepted);
      expect(heard.lines).toEqual([]);
    },
  );
});

describe('given more than the bounds', () => {
  test('when connections come too fast, the rest is turned away and counted', async () => {
    const { dial, denied } = await startBroker({ connectsPerSecond: 0.001, connectsBurst: 2 });
    await dial();
    await dial();
    const third = await dial();
    await third.closed();
    expect(denied.get('connect-rate')).toBe(1);
  });

  test('when too many have not logged in, the next is turned away', async () => {
    const { dial, denied, enter } = await startBroker({ pendingMax: 2 });
    await enter();
    const waiting = [await dial(), await dial()];
    const third = await dial();
    await third.closed();
    expect(denied.get('connections')).toBe(1);
    for (const client of waiting) client.socket.destroy();
    await sleep(30);
    await enter({ clientId: 'lathe-3', password: 'plant:600' });
  });

  test('when a device sends too fast, it is slowed, and nothing is lost', async () => {
    const { enter, heard } = await startBroker({ messagesPerSecond: 500, messagesBurst: 5 });
    const client = await enter();
    for (let i = 0; i < 50; i += 1) {
      client.send(publishPacket(upTopic(press, 'window'), Buffer.from(String(i))));
    }
    while (heard.lines.length < 50) await sleep(10);
    expect(heard.lines).toEqual(Array.from({ length: 50 }, (_, i) => `plant/press-7 window ${i}`));
  });

  test('when a device has used its burst up, it alone waits', async () => {
    const { enter, heard } = await startBroker({ messagesPerSecond: 0.001, messagesBurst: 5 });
    const flood = await enter();
    const window = publishPacket(upTopic(press, 'window'), Buffer.from('x'), 2);
    flood.send(...Array.from({ length: 30 }, () => window));
    await flood.bytes(4 + 5 * 4);
    const other = await enter({ clientId: 'lathe-3', password: 'plant:600' });
    other.send(publishPacket(upTopic(lathe, 'window'), Buffer.from('y'), 2));
    await other.bytes(8);
    await sleep(30);
    expect(flood.received()).toHaveLength(4 + 5 * 4);
    expect(heard.lines.filter((line) => line.includes('press-7'))).toHaveLength(5);
    expect(heard.lines).toContain('plant/lathe-3 window y');
  });

  test('when packets come ahead of CONNACK, a few wait and a flood is cut', async () => {
    const { dial, heard } = await startBroker();
    const window = publishPacket(upTopic(press, 'window'), Buffer.from('x'));
    const few = await dial();
    few.send(connectPacket(login), window, window);
    await few.bytes(4);
    await sleep(30);
    expect(heard.lines).toHaveLength(2);
    const flood = await dial();
    flood.send(connectPacket(login), ...Array.from({ length: 20 }, () => window));
    await flood.closed();
  });

  test('when a subscriber freezes, it is cut and the others hear everything', async () => {
    const { broker, enter, denied } = await startBroker();
    const frozen = await enter();
    frozen.send(subscribePacket(downFilter(press)));
    await frozen.bytes(9);
    frozen.socket.pause();
    const healthy = await enter({ clientId: 'lathe-3', password: 'plant:600' });
    healthy.send(subscribePacket(downFilter(lathe)));
    await healthy.bytes(9);
    const bytes = new Uint8Array(90 * 1024);
    for (let i = 0; i < 200; i += 1) {
      await broker.publish(press, { kind: 'command', bytes });
      await broker.publish(lathe, { kind: 'command', bytes });
      await healthy.length(9 + (i + 1) * (bytes.length + 20));
    }
    expect(denied.get('slow-reader')).toBeGreaterThanOrEqual(1);
    await sleep(30);
    expect(broker.isConnected(press)).toBe(false);
    expect(broker.isConnected(lathe)).toBe(true);
  });

  test('when a frozen subscriber is below the byte bound, the drain timeout cuts it', async () => {
    const { broker, enter } = await startBroker({
      drainTimeoutMs: 50,
      unsentBytesMax: Number.MAX_SAFE_INTEGER,
    });
    const frozen = await enter();
    frozen.send(subscribePacket(downFilter(press)));
    await frozen.bytes(9);
    frozen.socket.pause();
    const bytes = new Uint8Array(90 * 1024);
    for (let i = 0; i < 200; i += 1) await broker.publish(press, { kind: 'command', bytes });
    while (broker.isConnected(press)) await sleep(20);
    expect(broker.connectedCount()).toBe(0);
  });
});

test('given a message that reached a session past every subscription, delivery asks again', async () => {
  const bounds = defaultBrokerBounds;
  const sessions = new DeviceSessions({ clock: systemClock, bounds });
  const client = new EventEmitter() as BrokerClient;
  const stranger = new EventEmitter() as BrokerClient;
  const connect = {
    ...{ cmd: 'connect', clientId: 'press-7', username: 'press-7', clean: true, keepalive: 60 },
    ...{ protocolVersion: 4, protocolId: 'MQTT', password: Buffer.from('plant:600') },
  } as ConnectPacket;
  const admitted = await sessions.admit(createSuiteGate(Date.now), client, { ...connect });
  expect(admitted.ok).toBe(true);
  const reasons: string[] = [];
  const denied = (reason: string): void => void reasons.push(reason);
  const hooks = createAccessHooks({ sessions, clock: systemClock, denied });
  const messageOn = (topic: string) =>
    ({ cmd: 'publish', topic, payload: Buffer.from('x'), qos: 1, retain: true }) as never;
  const own = messageOn(downTopic(press, 'desired'));
  expect(hooks.authorizeForward(client, own)).toBe(own);
  expect(hooks.authorizeForward(stranger, own)).toBeNull();
  for (const topic of [downTopic(lathe, 'desired'), upTopic(press, 'window'), '$SYS/x']) {
    expect(hooks.authorizeForward(client, messageOn(topic))).toBeNull();
  }
  expect(reasons).toEqual(['forward', 'forward', 'forward', 'forward']);
});

test('given an unknown packet type after login, the connection ends', async () => {
  const { enter } = await startBroker();
  const client = await enter();
  client.send(packet(0x00, Buffer.alloc(0)));
  await client.closed();
});
