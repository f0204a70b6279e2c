import type { ProcessIdentity } from '../../../shared/ports/process-host.ts';
import { isSame } from './process-identity.ts';
import type {
  SupervisionContext,
  SupervisionEffect,
  SupervisionStep,
} from './supervision-effect.ts';
import type { Child, RunningChild, SupervisionState, WatchedTrial } from './supervision-state.ts';
import type { TrialKillReason } from './supervisor-message.ts';

/** One look at the resident memory of whatever was watched; `undefined`: it has ended, or was not asked for. */
export interface MemoryReading {
  readonly trials: readonly ReadTrial[];
  readonly childBytes: number | undefined;
}

interface ReadTrial {
  readonly trial: ProcessIdentity;
  readonly residentBytes: number | undefined;
}

/**
 * Asks for the next look when it is due. No other asks until its answer has come, so a slow machine is looked at more
 * seldom instead of by a growing queue.
 */
export function lookAtMemory(
  state: SupervisionState,
  { nowMs, policy }: SupervisionContext,
): SupervisionStep {
  const { child, looksAtMs } = state;
  if (nowMs < looksAtMs) return { state, effects: [] };
  // Words that came while this process stood still are not read yet: what they end must not be judged.
  const earliestMs = nowMs - looksAtMs > policy.ownLatenessMs ? nowMs + policy.ownLatenessMs : 0;
  const trials = state.trials.map((watched) => ({
    ...watched,
    dueAtMs: Math.max(watched.dueAtMs, earliestMs),
  }));
  const looked = { ...state, trials, looksAtMs: Infinity };
  if (!isWatched(child, trials)) return { state: looked, effects: [] };
  const asked = trials.map(({ trial }) => trial);
  return {
    state: looked,
    effects: [{ kind: 'read-memory', trials: asked, isChildGuarded: isGuarded(child) }],
  };
}

/** Kills the trials that are over their memory or their time, warns the child, and says when its grace is used up. */
export function judgeMemory(
  state: SupervisionState,
  reading: MemoryReading,
  context: SupervisionContext,
): SupervisionStep & { readonly isGraceOver: boolean } {
  const { nowMs, policy } = context;
  const effects: SupervisionEffect[] = [];
  const trials: WatchedTrial[] = [];
  for (const watched of state.trials) {
    const { trial } = watched;
    const read = reading.trials.find((one) => isSame(one.trial, trial));
    const reason = reasonToKill(watched, read, nowMs);
    if (reason !== undefined) {
      effects.push({ kind: 'tell-child', message: { kind: 'trial-killed', trial, reason } });
      effects.push({ kind: 'kill-trial', trial, reason });
    } else if (read === undefined || read.residentBytes !== undefined) {
      trials.push(watched);
    }
  }
  const child = warned(state.child, reading.childBytes, nowMs);
  const isNew = child.kind === 'running' && child.exceededAtMs === nowMs && child !== state.child;
  if (isNew) effects.push({ kind: 'tell-child', message: { kind: 'memory-exceeded' } });
  const looksAtMs = isWatched(child, trials) ? nowMs + policy.memoryPollMs : Infinity;
  return {
    state: { ...state, child, trials, looksAtMs },
    effects,
    isGraceOver: isGraceOver(child, reading.childBytes, context),
  };
}

function reasonToKill(
  watched: WatchedTrial,
  read: ReadTrial | undefined,
  nowMs: number,
): TrialKillReason | undefined {
  if (read?.residentBytes === undefined) return undefined;
  if (read.residentBytes > watched.memoryBytesMax) return 'memory-limit';
  return nowMs >= watched.dueAtMs ? 'inference-timeout' : undefined;
}

/** Remembers since when the child is over its limit; one that came back below it is as good as new. */
function warned(child: Child, bytes: number | undefined, nowMs: number): Child {
  if (child.kind !== 'running' || bytes === undefined) return child;
  if (bytes > child.memoryBytesMax) return { ...child, exceededAtMs: child.exceededAtMs ?? nowMs };
  if (child.exceededAtMs === undefined) return child;
  const { exceededAtMs: _, ...calm } = child;
  return calm;
}

function isGraceOver(
  child: Child,
  bytes: number | undefined,
  { nowMs, policy }: SupervisionContext,
): boolean {
  if (child.kind !== 'running' || child.exceededAtMs === undefined || bytes === undefined) {
    return false;
  }
  // What grows this fast takes the whole machine before the grace is over.
  const isBursting = bytes > child.memoryBytesMax + child.memoryBytesMax / 4;
  return isBursting || nowMs - child.exceededAtMs >= policy.memoryGraceMs;
}

const isWatched = (child: Child, trials: readonly WatchedTrial[]): boolean =>
  trials.length > 0 || isGuarded(child);

const isGuarded = (child: Child): child is RunningChild =>
  child.kind === 'running' && Number.isFinite(child.memoryBytesMax);
