import { afterEach, beforeEach, expect, test } from 'vitest';
import type { OpenPlace } from '../../../fleet-server/core/model/rollout.ts';
import { TelemetryIntake } from '../../../fleet-server/runner/telemetry-intake.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { CountingMetrics } from '../../../sim/world/counting-metrics.ts';
import { HttpWorld } from '../../support/http-world.ts';
import { ReportingPlant } from '../../support/reporting-plant.ts';
import { silentLog } from '../../support/silent-ports.ts';
import { deviceId, digest, filetype, plant, received } from '../../support/store-nouns.ts';

let world: HttpWorld;
let devices: ReportingPlant;
let operator: string;
beforeEach(async () => {
  world = await HttpWorld.open();
  devices = new ReportingPlant(world);
  operator = await world.token('operator');
  await devices.publish('2.0.0', '2');
  for (const name of ['edge-1', 'edge-2']) await devices.add(name);
});
afterEach(() => world.close());

const rest = (): number => world.server.rollouts.restMs([plant]);

function later(ms: number): void {
  const untilMs = world.time.nowMs + ms;
  world.time.schedule(untilMs, 'later', () => undefined);
  while (world.time.nowMs < untilMs) world.time.hop();
}

async function soaking(soakMs: number): Promise<void> {
  const rollout = await devices.start(operator, { soakMs, holdback: { count: 0 } });
  await devices.settle(rollout);
}

test('when no rollout is open, a fleet is looked at rarely; one that was not looked at yet, soon', async () => {
  expect(rest()).toBe(limits.rolloutTurnMs);
  await world.server.rollouts.turn(plant);
  expect(rest()).toBe(limits.idleLookMs);
  expect(world.server.rollouts.restMs([])).toBe(limits.idleLookMs);
});

test('when a wave soaks, it is looked at as the soak ends; a long one now and then', async () => {
  await soaking(1_000);
  expect(rest()).toBe(1_000);
  later(700);
  expect(rest()).toBe(300);
  later(700);
  expect(rest()).toBe(limits.rolloutTurnMsMin);
});

test('when a wave waits for devices, deadlines are found within the pause', async () => {
  const rollout = await devices.start(operator, { holdback: { count: 0 } });
  await devices.settle(rollout, new Set([deviceId('edge-1')]));
  expect(rest()).toBe(limits.rolloutLookMs);
});

test('when the clock is set back by an hour, the rest is no longer than that of an idle fleet', async () => {
  await soaking(1_000);
  const setBackMs = world.clock.nowMs() - 3_600_000;
  world.clock.nowMs = () => setBackMs;
  expect(rest()).toBe(limits.idleLookMs);
});

test('when a turn fails, the next one comes soon', async () => {
  await soaking(60_000);
  const { store } = world;
  const transaction = store.transaction.bind(store);
  store.transaction = () => Promise.reject(new Error('the disk is full'));
  await expect(world.server.rollouts.turn(plant)).rejects.toThrow('the disk is full');
  store.transaction = transaction;
  expect(rest()).toBe(limits.rolloutTurnMs);
});

test.each([0, 1])(
  'when windows count for %i open rollouts, the loop hears of so many batches',
  async (open) => {
    const place: OpenPlace = {
      ...{
        device: deviceId('edge-1'),
        app: filetype,
        digest: digest('2'),
        arm: 'control',
        wave: 0,
      },
      rollout: await devices.start(operator, {}),
    };
    const { store, clock } = world;
    const stop = new AbortController();
    let heard = 0;
    const intake = new TelemetryIntake({
      ...{ store, clock, log: silentLog, metrics: new CountingMetrics() },
      places: async () => [place].slice(0, open),
      releaseAck: () => stop.abort(),
      counted: () => {
        heard += 1;
      },
    });
    intake.submit(received('edge-1', 1));
    const running = intake.run(stop.signal);
    later(limits.telemetryBatchWaitMs);
    await running;
    expect(heard).toBe(open);
  },
);
