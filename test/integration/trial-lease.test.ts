import { expect, test } from 'vitest';
import { limits } from '../../shared/contracts/limits.ts';
import { TrialLease } from '../../shared/runtime/process/trial-lease.ts';

const long = limits.trialLongCallMs;
const grace = limits.trialDeadlineGraceMs;

function leaseAt(runTimeoutMs: number) {
  const told: (number | undefined)[] = [];
  const clock = { ms: 0 };
  const lease = new TrialLease({
    ...{ runTimeoutMs, monotonicMs: () => clock.ms },
    tell: (dueInMs) => told.push(dueInMs),
  });
  return { lease, told, clock };
}

test('when the model has loaded, its deadline is taken back; calls that are short are not told', () => {
  const { lease, told, clock } = leaseAt(5_000);
  lease.look();
  expect(told).toEqual([]);
  lease.loaded();
  expect(told).toEqual([undefined]);
  for (let call = 0; call < 100; call += 1) {
    lease.sent();
    clock.ms += long - 1;
    lease.look();
    lease.answered();
    lease.look();
  }
  expect(told).toEqual([undefined]);
});

test('when a call takes long, it is told once with what is left of its time, and its end too', () => {
  const { lease, told, clock } = leaseAt(5_000);
  lease.loaded();
  lease.sent();
  clock.ms += long;
  lease.look();
  clock.ms += 100;
  lease.look();
  lease.answered();
  expect(told).toEqual([undefined, 5_000 - long + grace, undefined]);
});

test('when a call waited behind another, its time begins with the answer of that one', () => {
  const { lease, told, clock } = leaseAt(5_000);
  lease.loaded();
  lease.sent();
  lease.sent();
  clock.ms += long;
  lease.look();
  lease.answered();
  lease.look();
  clock.ms += long;
  lease.look();
  expect(told.slice(1)).toEqual([5_000 - long + grace, undefined, 5_000 - long + grace]);
});
