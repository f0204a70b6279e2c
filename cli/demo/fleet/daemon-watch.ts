import type { SqlStore } from '../../../fleet-server/adapters/sql/sql-store.ts';
import type { DeviceApp } from '../../../fleet-server/core/model/device-app.ts';
import { systemClock as clock } from '../../../shared/adapters/clock/system-clock.ts';
import { createDecoder } from '../../../shared/codec/validator.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { type Window, WindowSchema } from '../../../shared/contracts/window.ts';
import type { AppName, FleetId } from '../../../shared/core/ids.ts';
import { instantMs, type SeenDevice } from './seen-device.ts';

const lookMs = 500;
const decodeWindow = createDecoder(WindowSchema, limits.windowBytesMax);

/** Totals of the windows that were looked at. */
export interface DaemonCounts {
  inferences: number;
  correct: number;
}

/**
 * What the server knows of daemons, from their signed reports and their windows: `answered` is a window with answers,
 * and its instant the window's end. How long a revert took is the device's own word.
 */
export async function watchDaemons(
  options: {
    readonly store: SqlStore;
    readonly fleet: FleetId;
    readonly app: AppName;
    readonly devices: readonly SeenDevice[];
    readonly counts: DaemonCounts;
  },
  signal: AbortSignal,
): Promise<void> {
  const { store, fleet, app, devices, counts } = options;
  const looked = new Map<SeenDevice, string>();
  while (!signal.aborted) {
    await clock.sleepUntil(clock.monotonicMs() + lookMs, signal);
    const all = await store.read((view) =>
      Promise.all(
        devices.map(async (device) => ({
          device,
          app: await view.deviceApps.get(fleet, device.id, app),
          windows: await view.windows.latestOf(fleet, device.id),
        })),
      ),
    );
    for (const { device, ...known } of all) {
      if (known.app !== null) seeReport(device, known.app);
      const newest = known.windows[0];
      if (newest === undefined) continue;
      const name = `${newest.outbox} ${newest.last}`;
      if (looked.get(device) === name) continue;
      looked.set(device, name);
      const window = decodeWindow(newest.sealed);
      if (window.ok) seeWindow(device, window.value, counts);
    }
  }
}

function seeReport(device: SeenDevice, { active, target, refused, revertMs }: DeviceApp): void {
  device.running = active ?? undefined;
  // What the device names it has accepted an order for.
  if (target !== null) device.sighting(target.digest).orderedAtMs ??= instantMs();
  for (const { digest, reason } of refused) {
    const seen = device.sighting(digest);
    seen.orderedAtMs ??= instantMs();
    seen.verdictAtMs ??= instantMs();
    seen.reason ??= reason;
  }
  // The device tells of its last revert; the one before was seen when it was the last.
  const last = refused.at(-1);
  if (last !== undefined) device.sighting(last.digest).revertMs = revertMs ?? undefined;
}

function seeWindow(device: SeenDevice, window: Window, counts: DaemonCounts): void {
  const lived = window.models.filter(({ inferences }) => inferences > 0);
  for (const { inferences, correct } of lived) {
    counts.inferences += inferences;
    counts.correct += correct;
  }
  // Of two models in one window the later one is the one that runs now.
  const last = lived.find(({ digest }) => digest === device.running);
  const order = last === undefined ? lived : [...lived.filter((each) => each !== last), last];
  for (const { digest } of order) device.answered(digest, window.toMs);
}
