import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { topicAccessOf } from './topic-access.ts';
import type { DeviceAddress } from './topics.ts';
import { downFilter, downKinds, downTopic, shardOf, upKinds, upTopic } from './topics.ts';

/** The rule as a person would check it: level by level, without the code under test. */
function referencePublish(address: DeviceAddress, topic: string): boolean {
  const levels = topic.split('/');
  const [root, version, fleet, shard, device, direction, kind] = levels;
  if (levels.length !== 7 || root !== 'skein' || version !== 'v1') return false;
  if (fleet !== address.fleet || device !== address.device || direction !== 'up') return false;
  return shard === shardOf(address.device).toString(10) && upKinds.some((known) => known === kind);
}

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

describe('given 100,000 drawn addresses, topics and filters', () => {
  test('when a topic is published, the rule and the reference agree', () => {
    let allowed = 0;
    fc.assert(
      fc.property(cases, fc.boolean(), fc.integer({ min: 0, max: 2 }), (drawn, retain, qos) => {
        const [mine, , topic] = drawn;
        const kind = topicAccessOf(mine).mayPublish({ topic, retain, qos });
        const expected =
          referencePublish(mine, topic) && qos < 2 && (!retain || topic.endsWith('/up/presence'));
        if (kind !== undefined) allowed += 1;
        return (
          (kind !== undefined) === expected && (kind === undefined || topic.endsWith(`/${kind}`))
        );
      }),
      { numRuns: 100_000 },
    );
    expect(allowed).toBeGreaterThan(1000);
  });

  test('when a filter is granted, it matches no topic of anybody else, and none that goes up', () => {
    let granted = 0;
    fc.assert(
      fc.property(cases, ([mine, other, filter]) => {
        if (!topicAccessOf(mine).maySubscribe(filter)) return filter !== downFilter(mine);
        granted += 1;
        const foreign = isSame(mine, other) ? [] : downKinds.map((kind) => downTopic(other, kind));
        const upward = upKinds.map((kind) => upTopic(mine, kind));
        return ![...foreign, ...upward].some((topic) => matches(filter, topic));
      }),
      { numRuns: 100_000 },
    );
    expect(granted).toBeGreaterThan(1000);
  });

  test('when a topic may be received, the one filter matches it', () => {
    fc.assert(
      fc.property(cases, ([mine, , topic]) => {
        const kind = topic.split('/').at(-1);
        const expected =
          matches(downFilter(mine), topic) && downKinds.some((known) => known === kind);
        return topicAccessOf(mine).mayReceive(topic) === expected;
      }),
      { numRuns: 100_000 },
    );
  });
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
