import { expect, test } from 'vitest';
import { RetainedMessages } from '../../fleet-server/adapters/broker/retained-messages.ts';
import { TokenBucket } from '../../fleet-server/adapters/broker/token-bucket.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { addressOf } from '../support/message-world.ts';

test('given more devices than the bound, the one longest without news is forgotten', () => {
  const retained = new RetainedMessages();
  for (let i = 0; i < limits.retainedDevicesMax; i += 1) {
    retained.put(addressOf(`dev-${i}`), 'desired', utf8('x'));
  }
  retained.put(addressOf('dev-0'), 'ack', utf8('news'));
  retained.put(addressOf('one-more'), 'desired', utf8('x'));
  expect(retained.of(addressOf('dev-0'))).toHaveLength(2);
  expect(retained.of(addressOf('dev-1'))).toEqual([]);
  expect(retained.of(addressOf('one-more'))).toHaveLength(1);
});

test('given a bucket, debts are paid in order and no credit grows beyond the burst', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 2 }, 0);
  expect([0, 0, 0, 0].map((at) => bucket.reserve(at))).toEqual([0, 0, 100, 200]);
  const later = new TokenBucket({ perSecond: 10, burst: 2 }, 0);
  const taken = [0, 0, 0, 99, 100, 3_600_000, 3_600_000, 3_600_000].map((at) => later.tryTake(at));
  expect(taken).toEqual([true, true, false, false, true, true, true, false]);
});
