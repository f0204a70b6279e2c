import { describe, expect, test } from 'vitest';
import { upTopic } from '../../shared/contracts/topics.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { simWorld } from '../../test/contract/message-worlds.ts';
import {
  addressOf,
  connectDevice,
  connectOptions,
  createSuiteGate,
  HeardMessages,
} from '../../test/support/message-world.ts';
import { type LinkFaults, perfectLink } from './link-faults.ts';

const press = addressOf('press-7');
const windowTopic = upTopic(press, 'window');

async function startWorld(faults?: Partial<LinkFaults>, seed = 'faults') {
  const world = await simWorld({ ...perfectLink, ...faults }, seed);
  const heard = new HeardMessages();
  await world.broker.start(createSuiteGate(world.nowMs), heard);
  return { world, heard };
}

/** Publishes 0..n-1 without waiting, and tells which were acknowledged. */
async function publishMany(faults: Partial<LinkFaults>, count: number, seed = 'faults') {
  const { world, heard } = await startWorld(faults, seed);
  const { session, endings } = await connectDevice(world, press);
  const acknowledged: number[] = [];
  for (let i = 0; i < count; i += 1) {
    void session.publish(windowTopic, utf8(String(i))).then(
      () => acknowledged.push(i),
      () => undefined,
    );
    await world.pass(10);
  }
  await world.pass(10_000);
  const bodies = heard.lines
    .filter((line) => line.includes(' window '))
    .map((line) => Number(line.split(' ').at(-1)));
  return { bodies, acknowledged, endings, heard };
}

const ascending = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test('given delays, what was sent first arrives first, and takes its time', async () => {
  const { world, heard } = await startWorld({ delayMs: [50, 500] });
  const { session } = await connectDevice(world, press);
  const sentMs = world.nowMs();
  const sent = ascending(20).map((i) => session.publish(windowTopic, utf8(String(i))));
  await world.settle(Promise.all(sent));
  expect(world.nowMs() - sentMs).toBeGreaterThan(500);
  expect(heard.lines).toEqual(ascending(20).map((i) => `plant/press-7 window ${i}`));
});

test('given reordering, all arrive but not in order', async () => {
  const { bodies } = await publishMany({ reorderRate: 0.5, reorderMs: 1000 }, 50);
  expect(bodies).not.toEqual(ascending(50));
  expect([...bodies].sort((a, b) => a - b)).toEqual(ascending(50));
});

test('given duplicates, some arrive twice and none is missing', async () => {
  const { bodies } = await publishMany({ duplicateRate: 0.5 }, 50);
  expect(bodies.length).toBeGreaterThan(60);
  expect([...new Set(bodies)]).toEqual(ascending(50));
});

test('given acknowledged-then-lost, an acknowledgement proves nothing', async () => {
  const { bodies, acknowledged } = await publishMany({ ackedThenLostRate: 0.5 }, 50);
  expect(acknowledged).toEqual(ascending(50));
  expect(bodies.length).toBeLessThan(40);
  expect(bodies.length).toBeGreaterThan(10);
});

test('given a lost acknowledgement, the message is there, the sender is not told, the session ends', async () => {
  const { bodies, acknowledged, endings } = await publishMany({ ackLostRate: 1 }, 1);
  expect(bodies).toEqual([0]);
  expect(acknowledged).toEqual([]);
  expect(endings).toHaveLength(1);
});

test('given a lost message, it is not there, the sender is not told, the session ends', async () => {
  const { bodies, acknowledged, endings } = await publishMany({ lostRate: 1 }, 1);
  expect(bodies).toEqual([]);
  expect(acknowledged).toEqual([]);
  expect(endings).toHaveLength(1);
});

test('given the same seed, the same happens; given another, something else', async () => {
  const faults = { delayMs: [1, 900], reorderRate: 0.3, reorderMs: 500 } as const;
  const one = await publishMany(faults, 30, 'a');
  expect((await publishMany(faults, 30, 'a')).bodies).toEqual(one.bodies);
  expect((await publishMany(faults, 30, 'b')).bodies).not.toEqual(one.bodies);
});

describe('given a partition', () => {
  test('when it heals before the keepalive runs out, nothing is lost', async () => {
    const { world, heard } = await startWorld();
    const { session, inbox, endings } = await connectDevice(world, press);
    world.broker.partition('press-7');
    const sent = session.publish(windowTopic, utf8('held'));
    await world.broker.publish(press, { kind: 'ack', bytes: utf8('1') });
    await world.pass(80_000);
    expect(heard.lines).toEqual([]);
    expect(inbox).toEqual([]);
    world.broker.heal('press-7');
    await world.settle(sent);
    await world.pass(200_000);
    expect(heard.lines).toEqual(['plant/press-7 window held']);
    expect(inbox).toEqual(['ack 1']);
    expect(endings).toEqual([]);
  });

  test.each([['up'], ['down']] as const)(
    'when %s stays shut, both ends give up after 1.5 keepalives',
    async (way) => {
      const { world, heard } = await startWorld();
      const { endings } = await connectDevice(world, press);
      world.broker.partition('press-7', [way]);
      await world.pass(89_000);
      expect(world.broker.isConnected(press)).toBe(true);
      expect(endings).toEqual([]);
      await world.pass(2_000);
      expect(world.broker.isConnected(press)).toBe(false);
      expect(heard.lines).toEqual(['plant/press-7 presence offline']);
      expect(endings).toEqual(['keepalive timeout']);
    },
  );

  test('when a device connects during it, the attempt times out', async () => {
    const { world } = await startWorld();
    world.broker.partition('press-7');
    const attempt = world.transport('press-7').connect(connectOptions(press), {
      received: () => undefined,
      closed: () => undefined,
    });
    await expect(world.settle(attempt)).rejects.toMatchObject({ code: 'connect-failed' });
  });
});

test('given a device that vanishes, its will comes only when the keepalive has run out', async () => {
  const { world, heard } = await startWorld();
  const { endings } = await connectDevice(world, press);
  world.broker.vanish('press-7');
  await world.pass(89_000);
  expect(heard.lines).toEqual([]);
  await world.pass(2_000);
  expect(heard.lines).toEqual(['plant/press-7 presence offline']);
  expect(endings).toEqual([]);
});

test('given a broker killed and started again, it remembers nothing', async () => {
  const { world, heard } = await startWorld();
  const one = await connectDevice(world, press);
  await world.broker.publish(press, { kind: 'desired', bytes: utf8('old'), retain: true });
  await world.pass();
  world.broker.stop();
  await world.pass();
  expect(one.endings).toHaveLength(1);
  await expect(connectDevice(world, press)).rejects.toMatchObject({ code: 'connect-failed' });
  world.broker.resume();
  const again = await connectDevice(world, press);
  await world.pass();
  expect(again.inbox).toEqual([]);
  expect(heard.lines).toEqual([]);
});
