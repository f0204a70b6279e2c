import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventHeap } from './event-heap.ts';

const drain = (heap: EventHeap): string[] => {
  const labels: string[] = [];
  for (let event = heap.pop(); event !== undefined; event = heap.pop()) labels.push(event.label);
  return labels;
};

test('when events come in any order and some are called off, the rest leave by time, then by age', () => {
  const event = fc.record({ atMs: fc.nat(5), isCancelled: fc.boolean() });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const heap = new EventHeap();
      const cancels = events.map(({ atMs }, i) => heap.push({ atMs, label: `${i}`, run: noop }));
      events.forEach(({ isCancelled }, i) => {
        if (isCancelled) cancels[i]?.();
      });
      const expected = events
        .map(({ atMs, isCancelled }, i) => ({ atMs, isCancelled, label: `${i}` }))
        .filter(({ isCancelled }) => !isCancelled)
        .sort((a, b) => a.atMs - b.atMs)
        .map(({ label }) => label);
      expect(heap.pending().map(({ label }) => label)).toEqual(expected);
      expect(drain(heap)).toEqual(expected);
    }),
  );
});

test('when the heap is empty, peek and pop are undefined, also after an event was called off', () => {
  const heap = new EventHeap();
  expect(heap.peek()).toBeUndefined();
  heap.push({ atMs: 1, label: 'x', run: noop })();
  expect(heap.pop()).toBeUndefined();
});

function noop(): void {
  return;
}
