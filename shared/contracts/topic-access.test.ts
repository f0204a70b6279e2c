import fc from 'fast-check';
import { expect, test } from 'vitest';
import { topicAccessOf } from './topic-access.ts';
import type { DeviceAddress } from './topics.ts';
import { downFilter, downKinds, downTopic, shardOf, upKinds, upTopic } from './topics.ts';

/** The kind of a topic below the address and that direction, level by level, without the code under test. */
function referenceKind(address: DeviceAddress, way: 'up' | 'dn', topic: string) {
  const levels = topic.split('/');
  const [root, version, fleet, shard, device, direction, kind] = levels;
  if (levels.length !== 7 || root !== 'skein' || version !== 'v1') return undefined;
  if (fleet !== address.fleet || device !== address.device || direction !== way) return undefined;
  return shard === shardOf(address.device).toString(10) ? kind : undefined;
}

const referencePublish = (address: DeviceAddress, topic: string): boolean =>
  upKinds.some((known) => known === referenceKind(address, 'up', topic));

/** Whether an MQTT filter matches a topic (MQTT 3.1.1, 4.7). */
function matches(filter: string, topic: string): boolean {
  const wanted = filter.split('/');
  const levels = topic.split('/');
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false;
  for (let i = 0; i < wanted.length; i += 1) {
    if (wanted[i] === '#') return true;
    if (i >= levels.length || (wanted[i] !== '+' && wanted[i] !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

const names = fc.oneof(
  fc.constantFrom('press-7', 'press-8', 'yard', 'plant', 'a0', 'up', 'dn', 'window', 'skein'),
  fc.stringMatching(/^[a-z0-9][a-z0-9-]{1,20}$/),
);
const addresses = fc.record({ fleet: names, device: names }) as fc.Arbitrary<DeviceAddress>;

/** Real topics, real topics with one level replaced by something hostile, and noise. */
const levels = fc.oneof(
  names,
  fc.constantFrom('+', '#', '', '$SYS', '$share', '..', 'dn', 'up', '\u0000', 'ü', '٣', '255', '0'),
  fc.string({ maxLength: 6 }),
);
const topicsOf = (address: DeviceAddress): fc.Arbitrary<string> => {
  const real = fc.constantFrom(
    ...upKinds.map((kind) => upTopic(address, kind)),
    ...downKinds.map((kind) => downTopic(address, kind)),
    downFilter(address),
  );
  const bent = fc.tuple(real, fc.nat({ max: 7 }), levels).map(([topic, at, level]) => {
    const parts = topic.split('/');
    parts[at] = level;
    return parts.join('/');
  });
  return fc.oneof(
    real,
    bent,
    fc.array(levels, { minLength: 1, maxLength: 9 }).map((l) => l.join('/')),
  );
};
const cases = fc
  .tuple(addresses, addresses)
  .chain(([mine, other]) =>
    fc.tuple(fc.constant(mine), fc.constant(other), fc.oneof(topicsOf(mine), topicsOf(other))),
  );
const isSame = (a: DeviceAddress, b: DeviceAddress): boolean =>
  a.fleet === b.fleet && a.device === b.device;

function agreesOnPublish(
  mine: DeviceAddress,
  topic: string,
  how: { retain: boolean; qos: number },
) {
  const kind = topicAccessOf(mine).mayPublish({ topic, ...how });
  const isExpected =
    referencePublish(mine, topic) && how.qos < 2 && (!how.retain || topic.endsWith('/up/presence'));
  return (kind !== undefined) === isExpected && (kind === undefined || topic.endsWith(`/${kind}`));
}

/** A granted filter is the one of the address; it matches no topic of anybody else, and none that goes up. */
function isGrantedRightly(mine: DeviceAddress, other: DeviceAddress, filter: string): boolean {
  const isGranted = topicAccessOf(mine).maySubscribe(filter);
  if (isGranted !== (referenceKind(mine, 'dn', filter) === '+')) return false;
  if (!isGranted) return true;
  const foreign = isSame(mine, other) ? [] : downKinds.map((kind) => downTopic(other, kind));
  const upward = upKinds.map((kind) => upTopic(mine, kind));
  return ![...foreign, ...upward].some((topic) => matches(filter, topic));
}

function agreesOnReceipt(mine: DeviceAddress, topic: string): boolean {
  const kind = topic.split('/').at(-1);
  const isExpected = matches(downFilter(mine), topic) && downKinds.some((known) => known === kind);
  return topicAccessOf(mine).mayReceive(topic) === isExpected;
}

test('given 100,000 drawn addresses, topics and filters, the rules and the reference agree', () => {
  const allowed = { publish: 0, subscribe: 0, receive: 0 };
  const qos = fc.integer({ min: 0, max: 2 });
  fc.assert(
    fc.property(cases, fc.boolean(), qos, ([mine, other, topic], retain, level) => {
      const access = topicAccessOf(mine);
      if (access.mayPublish({ topic, retain, qos: level }) !== undefined) allowed.publish += 1;
      if (access.maySubscribe(topic)) allowed.subscribe += 1;
      if (access.mayReceive(topic)) allowed.receive += 1;
      return (
        agreesOnPublish(mine, topic, { retain, qos: level }) &&
        isGrantedRightly(mine, other, topic) &&
        agreesOnReceipt(mine, topic)
      );
    }),
    { numRuns: 100_000 },
  );
  // The drawn cases must reach both answers, or the agreement says nothing.
  for (const count of Object.values(allowed)) expect(count).toBeGreaterThan(500);
});

test('given a will, only an unretained or retained presence message passes', () => {
  const mine = { fleet: 'plant', device: 'press-7' } as DeviceAddress;
  const access = topicAccessOf(mine);
  for (const kind of upKinds) {
    const will = { topic: upTopic(mine, kind), retain: false, qos: 1 };
    expect(access.mayLeaveWill(will)).toBe(kind === 'presence');
  }
  expect(access.mayLeaveWill({ topic: upTopic(mine, 'presence'), retain: true, qos: 1 })).toBe(
    true,
  );
  expect(access.mayLeaveWill({ topic: upTopic(mine, 'presence'), retain: true, qos: 2 })).toBe(
    false,
  );
});
