import { describe, expect, it } from 'vitest';
import { limits } from '../../shared/contracts/limits.ts';
import type { DeviceId } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { SmokeFleet, smokeFleet } from './smoke-fleet.ts';
import { startRollout } from './smoke-world.ts';

const secondMs = 1_000;
const device = 'edge-0' as DeviceId;

/** One thing in the way of windows or their acknowledgements while the session stands; undone by what it returns. */
type Obstacle = (world: SmokeFleet) => () => void;

const busyServer: Obstacle = () => {
  const bounds: { telemetryQueueMax: number } = limits;
  const before = bounds.telemetryQueueMax;
  bounds.telemetryQueueMax = 0;
  return () => {
    bounds.telemetryQueueMax = before;
  };
};

const failingCommits: Obstacle = ({ store }) => {
  store.transaction = () =>
    Promise.reject(new OperatingError('store-busy', 'the disk is slow', { retryable: true }));
  return () => {
    Reflect.deleteProperty(store, 'transaction');
  };
};

const lostAnswers: Obstacle = ({ broker }) => {
  const publish = broker.publish.bind(broker);
  broker.publish = async (address, message) => {
    if (message.kind !== 'ack') await publish(address, message);
  };
  return () => {
    broker.publish = publish;
  };
};

async function openFleet(seed: string): Promise<SmokeFleet> {
  const world = new SmokeFleet(seed, [{ version: '1.0.0' }]);
  await world.open(1);
  const bundle = world.bundles[0];
  if (bundle === undefined) throw new Error('no bundle');
  const policy = { waves: [{ percent: 100 }], holdback: { count: 0 } };
  await world.loop.runUntil(startRollout(world, bundle, policy));
  await world.loop.runFor(20 * secondMs);
  return world;
}

async function waitingWindows(world: SmokeFleet): Promise<number> {
  const node = world.devices.get(device);
  await world.loop.runUntil(node?.agent?.readGauges() ?? Promise.resolve());
  return node?.metrics.value('skein_outbox_windows') ?? 0;
}

const session = ({ server }: SmokeFleet): string | undefined =>
  server.live.find({ fleet: smokeFleet, device }, 0)?.jti;

describe('a flight without an answer', () => {
  it.each([
    ['a server that was busy', busyServer],
    ['commits that failed', failingCommits],
    ['acknowledgements that were lost', lostAnswers],
  ])('given %s, is sent again within the same session and counted once', async (_, obstacle) => {
    const world = await openFleet('unanswered');
    const before = session(world);
    expect(before).toBeDefined();
    expect(await waitingWindows(world)).toBeLessThanOrEqual(1);

    const undo = obstacle(world);
    try {
      await world.loop.runFor(15 * secondMs);
      expect(await waitingWindows(world)).toBeGreaterThan(limits.outboxInFlightMax);
    } finally {
      undo();
    }
    await world.loop.runFor(2 * limits.resendMs);
    expect(await waitingWindows(world)).toBeLessThanOrEqual(1);
    expect(session(world)).toBe(before);

    await world.stop();
    const [windows, last] = await stored(world);
    expect(windows).toBe(last);
  });
});

/** Of the newest stored window of the only device: how many are stored, and the number it has come to. */
async function stored({ loop, store }: SmokeFleet): Promise<readonly [number, number]> {
  const [newest] = await loop.runUntil(
    store.read((view) => view.windows.latestOf(smokeFleet, device)),
  );
  return [newest?.id ?? 0, newest?.last ?? -1];
}
