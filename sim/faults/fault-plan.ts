import type { Prng } from '../../shared/core/prng.ts';
import { type LinkFaults, perfectLink } from '../world/link-faults.ts';
import type { ClockFaults } from '../world/sim-clock.ts';

export const faultKinds = [
  'partition',
  'one-way-partition',
  'connection-reset',
  'power-cut',
  'broker-restart',
  'origin-outage',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** One thing that goes wrong and comes back, on one device or, without one, on all. */
export interface PlannedFault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly forMs: number;
  /** Place of the device in the fleet. */
  readonly device: number | null;
  /** Draws what is left to chance inside it: the way that is cut, the write the power goes in. */
  readonly chance: number;
}

/** Everything that a seed decides about what goes wrong; nothing else does. */
export interface FaultPlan {
  readonly link: LinkFaults;
  /** By place of the device. */
  readonly clocks: readonly ClockFaults[];
  readonly faults: readonly PlannedFault[];
}

const minuteMs = 60_000;

/** Mean pause between two faults of a kind, per device; and how long each lasts. */
const rhythms: Readonly<
  Record<FaultKind, { readonly gapMs: number; readonly forMs: readonly [number, number] }>
> = {
  partition: { gapMs: 40 * minuteMs, forMs: [1_000, 10 * minuteMs] },
  'one-way-partition': { gapMs: 60 * minuteMs, forMs: [1_000, 5 * minuteMs] },
  'connection-reset': { gapMs: 20 * minuteMs, forMs: [0, 0] },
  'power-cut': { gapMs: 45 * minuteMs, forMs: [1_000, 10 * minuteMs] },
  'broker-restart': { gapMs: 90 * minuteMs, forMs: [1_000, 3 * minuteMs] },
  'origin-outage': { gapMs: 90 * minuteMs, forMs: [10_000, 10 * minuteMs] },
};

const ofAll: ReadonlySet<FaultKind> = new Set(['broker-restart', 'origin-outage']);

/**
 * A swarm's draw (Groce et al., "Swarm testing", ISSTA 2012): each kind is on in about half of the seeds, so that rare
 * pairs meet without the others drowning them.
 */
export function drawFaultPlan(
  prng: Prng,
  { devices, untilMs }: { readonly devices: number; readonly untilMs: number },
): FaultPlan {
  const choices = prng.fork('kinds');
  const faults: PlannedFault[] = [];
  for (const kind of faultKinds) {
    if (choices.nextBelow(2) === 0) continue;
    const places = ofAll.has(kind) ? [null] : Array.from({ length: devices }, (_, at) => at);
    for (const device of places) {
      faults.push(...drawTimes(prng.fork(`${kind}/${device ?? 'all'}`), { kind, device, untilMs }));
    }
  }
  faults.sort((a, b) => a.atMs - b.atMs || faultKinds.indexOf(a.kind) - faultKinds.indexOf(b.kind));
  const clocks = prng.fork('clocks');
  return {
    link: drawLink(prng.fork('link')),
    clocks: Array.from({ length: devices }, () => drawClock(clocks)),
    faults,
  };
}

function drawTimes(
  prng: Prng,
  of: { readonly kind: FaultKind; readonly device: number | null; readonly untilMs: number },
): readonly PlannedFault[] {
  const { kind, device, untilMs } = of;
  const { gapMs, forMs } = rhythms[kind];
  const faults: PlannedFault[] = [];
  for (let atMs = 0; ; ) {
    // Waiting times between independent events are exponential.
    atMs += Math.ceil(-Math.log(1 - prng.nextUnit()) * gapMs);
    const lastsMs = Math.floor(forMs[0] + prng.nextUnit() * (forMs[1] - forMs[0]));
    if (atMs + lastsMs >= untilMs) return faults;
    faults.push({ kind, atMs, forMs: lastsMs, device, chance: prng.nextUint32() });
    atMs += lastsMs;
  }
}

function drawLink(prng: Prng): LinkFaults {
  const rate = (most: number): number => (prng.nextBelow(2) === 0 ? 0 : prng.nextUnit() * most);
  return {
    ...perfectLink,
    delayMs: [1 + prng.nextBelow(50), 60 + prng.nextBelow(1_000)],
    lostRate: rate(0.02),
    ackedThenLostRate: rate(0.02),
    ackLostRate: rate(0.02),
    duplicateRate: rate(0.05),
    reorderRate: rate(0.05),
    reorderMs: 1 + prng.nextBelow(3_000),
  };
}

const yearMs = 31_557_600_000;

/** Most are a little off, some have no battery and begin in 1970, some live in the future. */
function drawClock(prng: Prng): ClockFaults {
  const draw = prng.nextUnit();
  const skewMs =
    draw < 0.1 ? -56 * yearMs : draw < 0.2 ? 80 * yearMs : Math.floor((draw - 0.6) * 600_000);
  return { skewMs, driftPpm: prng.nextBelow(201) - 100, jumps: [] };
}
