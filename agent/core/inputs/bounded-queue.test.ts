import { expect, test } from 'vitest';
import { BoundedQueue } from './bounded-queue.ts';

test('when the queue is full, an offer is refused until something was taken', async () => {
  const queue = new BoundedQueue<{ n: number }>(2);
  expect([1, 2, 3].map((n) => queue.offer({ n }))).toEqual([true, true, false]);
  const items = queue.items();
  expect((await items.next()).value).toEqual({ n: 1 });
  expect(queue.offer({ n: 4 })).toBe(true);
});

test('when the queue closes, what waits is handed out, then the reading ends', async () => {
  const queue = new BoundedQueue<{ n: number }>(8);
  const read: number[] = [];
  const reading = (async () => {
    for await (const { n } of queue.items()) read.push(n);
  })();
  queue.offer({ n: 1 });
  await Promise.resolve();
  queue.offer({ n: 2 });
  queue.close();
  expect(queue.offer({ n: 3 })).toBe(false);
  await reading;
  expect(read).toEqual([1, 2]);
});
