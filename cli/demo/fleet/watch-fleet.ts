import { systemClock as clock } from '../../../shared/adapters/clock/system-clock.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import type { DemoServer } from '../demo-server.ts';
import type { LiveView } from '../live-view.ts';
import type { DemoFleet } from './demo-fleet.ts';

const lookMs = 200;

/** Tells the view what the devices do, until the signal aborts. */
export async function watchFleet(
  options: {
    readonly server: DemoServer;
    readonly fleet: DemoFleet;
    readonly names: ReadonlyMap<Digest, string>;
    readonly view: LiveView;
  },
  signal: AbortSignal,
): Promise<void> {
  const { server, fleet, names, view } = options;
  let beforeMs = clock.monotonicMs();
  let counted = 0;
  let perSecond = 0;
  let before = { inferences: 0, correct: 0 };
  while (!signal.aborted) {
    await clock.sleepUntil(clock.monotonicMs() + lookMs, signal);
    const nowMs = clock.monotonicMs();
    const { inferences, correct } = fleet;
    const rate = ((inferences - counted) * 1_000) / Math.max(1, nowMs - beforeMs);
    counted = inferences;
    beforeMs = nowMs;
    perSecond = 0.8 * perSecond + 0.2 * rate;
    const running = new Map<string, number>();
    for (const device of fleet.devices) {
      const name = device.running === undefined ? 'no model' : names.get(device.running);
      running.set(name ?? 'unknown', (running.get(name ?? 'unknown') ?? 0) + 1);
    }
    const fresh = inferences - before.inferences;
    view.fleet({
      connected: server.broker.connectedCount(),
      perSecond: Math.round(perSecond),
      inferences,
      correctShare: fresh === 0 ? 0 : (correct - before.correct) / fresh,
      running: new Map([...running].sort(([a], [b]) => (a < b ? -1 : 1))),
    });
    if (fresh > 500) before = { inferences, correct };
  }
}
