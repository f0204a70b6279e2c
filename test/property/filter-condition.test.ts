import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openMemoryStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import type { Device } from '../../fleet-server/core/model/device.ts';
import type {
  FilterField,
  FilterNode,
  FilterValue,
  TargetableDevice,
} from '../../fleet-server/core/targeting/filter-ast.ts';
import { matchesFilter } from '../../fleet-server/core/targeting/match-filter.ts';
import { device, plant } from '../support/store-nouns.ts';

const nowMs = 10_000;
const span = { start: 0, end: 0 };
const word = fc.constantFrom('a', 'b', 'a,b', 'true', '1', '1.5', '', 'a[b]', 'UTC', 'd1', '%_');
const number = fc.constantFrom(0, 1, 1.5, -3, 9000, 10_000);
const name = fc.constantFrom('x', 'y.z', 'odd "q"');

const deviceArbitrary = fc
  .record({
    tags: fc.dictionary(name, word, { maxKeys: 3 }),
    facts: fc.dictionary(name, fc.oneof(word, number, fc.boolean()), { maxKeys: 3 }),
    state: fc.constantFrom('pending', 'accepted'),
    zone: fc.constantFrom(null, 'a', 'UTC'),
    online: fc.boolean(),
    lastSeenMs: fc.constantFrom(null, 0, 9000, 10_000),
    enrolledAtMs: number.filter((ms) => Number.isInteger(ms) && ms >= 0),
  })
  .map((fields): Device => device('d1', fields));

const field: fc.Arbitrary<FilterField> = fc.oneof(
  fc.record({
    root: fc.constantFrom('tags', 'facts'),
    name: fc.option(name, { nil: null }),
  }),
  fc.record({
    root: fc.constantFrom('device', 'state', 'zone', 'online', 'lastSeen', 'enrolledAt'),
    name: fc.constant(null),
  }),
);

const value: fc.Arbitrary<FilterValue> = fc.oneof(
  word.map((text) => ({ type: 'text' as const, text })),
  number.map((one) => ({ type: 'number' as const, number: one })),
  fc.boolean().map((boolean) => ({ type: 'boolean' as const, boolean })),
  number.map((atMs) => ({ type: 'instant' as const, atMs })),
  fc.constant({ type: 'relative' as const, offsetMs: -1000 }),
);

const { node } = fc.letrec<{ node: FilterNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.record({
      kind: fc.constant('compare' as const),
      field,
      op: fc.constantFrom('=', '!=', '<', '<=', '>', '>='),
      value,
      span: fc.constant(span),
    }),
    fc.record({
      kind: fc.constant('in' as const),
      field,
      values: fc.array(value, { maxLength: 3 }),
      span: fc.constant(span),
    }),
    fc.record({
      kind: fc.constant('has' as const),
      field,
      item: fc.oneof(word, fc.constant('*')),
      span: fc.constant(span),
    }),
    fc.record({
      kind: fc.constant('glob' as const),
      field,
      pattern: fc.constantFrom('*', 'a*', '?', 'a[b]', '*,*', 'd?', '', '[a]'),
      span: fc.constant(span),
    }),
    fc.record({ kind: fc.constant('not' as const), item: tie('node'), span: fc.constant(span) }),
    fc.record({
      kind: fc.constantFrom('and', 'or'),
      items: fc.array(tie('node'), { minLength: 2, maxLength: 3 }),
      span: fc.constant(span),
    }),
  ),
}));

const targetable = (row: Device): TargetableDevice => ({
  device: row.device,
  state: row.state,
  zone: row.zone ?? 'UTC',
  online: row.online,
  lastSeenMs: row.lastSeenMs,
  enrolledAtMs: row.enrolledAtMs,
  tags: new Map(Object.entries(row.tags)),
  facts: new Map(Object.entries(row.facts)),
});

test('whatever the filter, the database means the same devices as the evaluator', async () => {
  const { store } = openMemoryStore();
  await store.transaction(async (tx) => {
    await tx.fleets.insert({ fleet: plant, title: 'Plant', createdAtMs: 0 });
    await tx.devices.insert(device('d1'));
  });
  await fc.assert(
    fc.asyncProperty(deviceArbitrary, node, async (row, where) => {
      const { fleet: _fleet, device: id, cell: _cell, ...patch } = row;
      const found = await store.transaction(async (tx) => {
        await tx.devices.update(plant, id, patch);
        return tx.devices.count(plant, { where, nowMs });
      });
      expect(found === 1).toBe(matchesFilter(where, targetable(row), nowMs));
    }),
    { numRuns: 1500 },
  );
  await store.close();
});
