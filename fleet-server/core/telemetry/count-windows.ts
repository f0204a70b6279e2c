import type { Window, WindowModel } from '../../../shared/contracts/window.ts';
import type { DeviceId, FleetId } from '../../../shared/core/ids.ts';
import type { OpenPlace } from '../model/rollout.ts';
import type { CohortDevice, CohortKey, CohortRecord } from '../model/telemetry.ts';
import { emptyTotals, mergeTotals, TotalsSum } from './cohort-totals.ts';

export interface CountableWindow {
  readonly device: DeviceId;
  readonly window: Pick<Window, 'models'>;
}

export interface CountedWindows {
  /** Sums by cohort, sorted by key; `devices` is 0 until it is known who is new. */
  readonly records: readonly CohortRecord[];
  /** Who contributed to what, each once. */
  readonly devices: readonly CohortDevice[];
}

/** Adds windows up by the part their device plays in open rollouts. */
export function countWindows(
  fleet: FleetId,
  windows: readonly CountableWindow[],
  places: readonly OpenPlace[],
): CountedWindows {
  const placesOf = new Map<DeviceId, OpenPlace[]>();
  for (const place of places) {
    const known = placesOf.get(place.device);
    if (known === undefined) placesOf.set(place.device, [place]);
    else known.push(place);
  }
  const sums = new Map<string, { readonly key: CohortKey; readonly sum: TotalsSum }>();
  const devices = new Map<string, CohortDevice>();
  for (const { device, window } of windows) {
    for (const model of window.models) {
      for (const place of placesOf.get(device) ?? []) {
        const key = cohortOf(model, place);
        if (key === null) continue;
        const name = cohortName(key);
        const known = sums.get(name) ?? { key, sum: new TotalsSum() };
        known.sum.addModel(model);
        sums.set(name, known);
        devices.set(`${name} ${device}`, { ...key, device });
      }
    }
  }
  const records = sortedValues(sums).map(({ key, sum }) => ({
    fleet,
    ...key,
    totals: sum.totals(),
  }));
  return { records, devices: sortedValues(devices) };
}

const sortedValues = <T>(map: ReadonlyMap<string, T>): readonly T[] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);

/** New sums on top of stored ones; `newcomers` contributed to their arm for the first time. */
export function addToCohorts(
  stored: readonly CohortRecord[],
  added: readonly CohortRecord[],
  newcomers: readonly CohortDevice[],
): readonly CohortRecord[] {
  const known = new Map(stored.map((record) => [cohortName(record), record.totals]));
  const counts = new Map<string, number>();
  for (const device of newcomers) {
    const name = cohortName(device);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return added.map((record) => {
    const name = cohortName(record);
    const joined = { ...emptyTotals, devices: counts.get(name) ?? 0 };
    const before = known.get(name) ?? emptyTotals;
    return { ...record, totals: mergeTotals(mergeTotals(before, record.totals), joined) };
  });
}

/**
 * The cohort a model's counts belong to. In a wave only the offered digest counts: what ran before says nothing
 * about it. The control counts while it runs anything else.
 */
export function cohortOf(model: WindowModel, place: OpenPlace): CohortKey | null {
  if (model.app !== place.app) return null;
  const isOffered = model.digest === place.digest;
  const { rollout, arm, wave } = place;
  return isOffered === (arm === 'wave') ? { rollout, arm, wave } : null;
}

const cohortName = ({ rollout, arm, wave }: CohortKey): string => `${rollout} ${arm} ${wave}`;
