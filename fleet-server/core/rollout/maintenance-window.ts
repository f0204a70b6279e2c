import { limits } from '../../../shared/contracts/limits.ts';
import type { MaintenanceWindow } from '../../../shared/contracts/rollout.ts';
import type { Zones } from '../../../shared/ports/zones.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;
const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
/** 1970-01-01 was a Thursday. */
const weekdayOfEpoch = 3;

/** Where a window is evaluated: the device's zone by the given rules. An unknown zone counts as UTC. */
export interface LocalTime {
  readonly zone: string;
  readonly zones: Zones;
}

/** Half-open, milliseconds since 1970. */
export interface Opening {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Always open without a window. */
export function isWindowOpen(
  window: MaintenanceWindow | null,
  local: LocalTime,
  nowMs: number,
): boolean {
  if (window === null) return true;
  const opening = nextOpening(window, local, nowMs);
  return opening !== undefined && opening.fromMs <= nowMs;
}

/**
 * The opening that contains `atMs`, or the first one after it. Clock changes: a local time that is skipped
 * happens at the instant the clock jumps over it; one that occurs twice is taken the first time.
 */
export function nextOpening(
  window: MaintenanceWindow,
  local: LocalTime,
  atMs: number,
): Opening | undefined {
  const today = Math.floor((atMs + offsetMs(local, atMs)) / dayMs);
  const fromMinute = minuteOf(window.from);
  const toMinute = minuteOf(window.to);
  // Yesterday's opening may reach over midnight into now.
  for (let day = today - 1; day < today + limits.windowScanDaysMax; day += 1) {
    const weekday = weekdays[(((day + weekdayOfEpoch) % 7) + 7) % 7];
    if (window.days !== undefined && !window.days.some((named) => named === weekday)) continue;
    const endDay = toMinute <= fromMinute ? day + 1 : day;
    const fromMs = instantOf(local, day, fromMinute);
    const toMs = instantOf(local, endDay, toMinute);
    if (toMs > atMs && toMs > fromMs) return { fromMs, toMs };
  }
  return undefined;
}

/** The instant at which `durationMs` have passed since `fromMs`, counting only time inside the window. */
export function addWindowTime(
  window: MaintenanceWindow | null,
  local: LocalTime,
  span: { readonly fromMs: number; readonly durationMs: number },
): number {
  if (window === null) return span.fromMs + span.durationMs;
  let atMs = span.fromMs;
  let leftMs = span.durationMs;
  for (let i = 0; i < limits.windowOccurrencesMax; i += 1) {
    const opening = nextOpening(window, local, atMs);
    if (opening === undefined) break;
    const startMs = Math.max(atMs, opening.fromMs);
    if (startMs + leftMs <= opening.toMs) return startMs + leftMs;
    leftMs -= opening.toMs - startMs;
    atMs = opening.toMs;
  }
  return atMs + leftMs;
}

const offsetMs = ({ zone, zones }: LocalTime, atMs: number): number =>
  (zones.offsetMinutes(zone, atMs) ?? 0) * minuteMs;

const minuteOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));

/** Local wall time to an instant: the offset is looked up at the guess it leads to, before and after a change. */
function instantOf(local: LocalTime, day: number, minute: number): number {
  const wallMs = day * dayMs + minute * minuteMs;
  const early = wallMs - offsetMs(local, wallMs - dayMs);
  const late = wallMs - offsetMs(local, wallMs + dayMs);
  const candidates = [Math.min(early, late), Math.max(early, late)];
  const exact = candidates.find((atMs) => atMs + offsetMs(local, atMs) === wallMs);
  return exact ?? jumpBetween(local, candidates[0] ?? early, candidates[1] ?? late);
}

/** The first instant with the later offset, by bisection: the clock jumped over the wall time asked for. */
function jumpBetween(local: LocalTime, lowMs: number, highMs: number): number {
  const before = offsetMs(local, lowMs);
  let low = lowMs;
  let high = highMs;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetMs(local, middle) === before) low = middle;
    else high = middle;
  }
  return high;
}
