import { limits } from '../../../shared/contracts/limits.ts';
import { unreachable } from '../../../shared/core/invariant.ts';
import type { ProcessIdentity } from '../../../shared/ports/process-host.ts';
import type { ChildMessage } from './child-message.ts';
import { judgeMemory, lookAtMemory, type MemoryReading } from './memory-watch.ts';
import type { ExitReason, PreviousExit } from './previous-exit.ts';
import { isSame } from './process-identity.ts';
import type {
  SupervisionContext,
  SupervisionEffect,
  SupervisionStep,
} from './supervision-effect.ts';
import { restartDelayMs } from './supervision-policy.ts';
import type {
  Child,
  KillReason,
  RunningChild,
  SupervisionState,
  WatchedTrial,
} from './supervision-state.ts';

export type SupervisionEvent =
  /** `previous` is what the file says, if it says anything. */
  | { readonly kind: 'supervisor-started'; readonly previous: PreviousExit | undefined }
  | { readonly kind: 'child-started'; readonly pid: number }
  | { readonly kind: 'spawn-refused' }
  | { readonly kind: 'child-spoke'; readonly message: ChildMessage }
  | {
      readonly kind: 'child-exited';
      readonly code: number | null;
      readonly signal: string | null;
    }
  | { readonly kind: 'memory-read'; readonly reading: MemoryReading }
  | { readonly kind: 'stop-asked' }
  /** Something in `nextDueMs` may be due. */
  | { readonly kind: 'time-passed' };

/** One step of the agent's parent: who lives, who is killed, when it starts again, and what the successor is told. */
export function stepSupervision(
  state: SupervisionState,
  event: SupervisionEvent,
  context: SupervisionContext,
): SupervisionStep {
  switch (event.kind) {
    case 'supervisor-started':
      return start(state, event.previous, context);
    case 'child-started':
      return childStarted(state, event.pid, context);
    case 'spawn-refused':
      return spawnRefused(state, context);
    case 'child-spoke':
      return childSpoke(state, event.message, context);
    case 'child-exited':
      return childExited(state, event, context);
    case 'memory-read':
      return memoryRead(state, event.reading, context);
    case 'stop-asked':
      return stopAsked(state, context);
    case 'time-passed':
      return timePassed(state, context);
    default:
      return unreachable(event);
  }
}

/** Monotonic time at which `time-passed` can change something; infinite when nothing waits. */
export const nextDueMs = ({ child, looksAtMs }: SupervisionState): number =>
  Math.min(childDueMs(child), looksAtMs);

function childDueMs(child: Child): number {
  switch (child.kind) {
    case 'running':
      return child.killed === undefined ? child.judgedAtMs : Infinity;
    case 'stopping':
      return child.killedAtMs;
    case 'waiting':
      return child.startsAtMs;
    case 'starting':
    case 'ended':
      return Infinity;
    default:
      return unreachable(child);
  }
}

const stay = (state: SupervisionState): SupervisionStep => ({ state, effects: [] });

const withChild = (state: SupervisionState, child: Child): SupervisionState => ({
  ...state,
  child,
});

function start(
  state: SupervisionState,
  previous: PreviousExit | undefined,
  { nowMs }: SupervisionContext,
): SupervisionStep {
  // The monotonic clock began anew, so crashes of the time before count as if they were now:
  // forgotten late, never early.
  const crashes = Math.min(previous?.crashesInWindow ?? 0, limits.crashesCountedMax);
  return {
    state: {
      ...state,
      child: { kind: 'starting', isStopAsked: false },
      crashesAtMs: new Array<number>(crashes).fill(nowMs),
      previousExit: previous,
    },
    effects: [{ kind: 'spawn-child', previous }],
  };
}

function childStarted(
  state: SupervisionState,
  pid: number,
  { nowMs, policy }: SupervisionContext,
): SupervisionStep {
  const isStopAsked = state.child.kind === 'starting' && state.child.isStopAsked;
  if (isStopAsked) return askToStop(state, pid, { nowMs, policy });
  const judgedAtMs = nowMs + policy.startGraceMs;
  const memoryBytesMax = Infinity;
  return stay(withChild(state, { kind: 'running', pid, judgedAtMs, memoryBytesMax }));
}

function spawnRefused(state: SupervisionState, context: SupervisionContext): SupervisionStep {
  if (state.child.kind === 'starting' && state.child.isStopAsked) return end(state, 0);
  const counted = countCrash(state, context);
  return restart(
    counted,
    exitFacts(counted, 'spawn-failed', { code: null, signal: null }),
    context,
  );
}

function childSpoke(
  state: SupervisionState,
  message: ChildMessage,
  { nowMs, policy }: SupervisionContext,
): SupervisionStep {
  const { child } = state;
  switch (message.kind) {
    case 'heartbeat':
      if (child.kind !== 'running') return stay(state);
      return stay(withChild(state, { ...child, judgedAtMs: nowMs + policy.heartbeatTimeoutMs }));
    case 'kill-me': {
      const { slot, code } = message;
      const kind = code === 'memory-limit' ? 'memory-limit' : 'hang';
      if (child.kind === 'running') return kill(state, child, { kind, slot, code });
      // While it stops, a hung call would only use up the patience.
      if (child.kind === 'stopping') return killStopping(state);
      return stay(state);
    }
    case 'guard-memory':
      if (child.kind !== 'running') return stay(state);
      return stay(
        watching(withChild(state, { ...child, memoryBytesMax: message.bytesMax }), nowMs),
      );
    case 'trial-started':
    case 'trial-due':
    case 'trial-ended':
      return trialReported(state, message, nowMs);
    default:
      return unreachable(message);
  }
}

function trialReported(
  state: SupervisionState,
  message: Extract<ChildMessage, { readonly trial: ProcessIdentity }>,
  nowMs: number,
): SupervisionStep {
  const { child } = state;
  const { trial } = message;
  const others = state.trials.filter((known) => !isSame(known.trial, trial));
  if (message.kind === 'trial-ended') return stay({ ...state, trials: others });
  if (message.kind === 'trial-due') {
    const dueAtMs = nowMs + (message.dueInMs ?? Infinity);
    const trials = state.trials.map((known) =>
      isSame(known.trial, trial) ? { ...known, dueAtMs } : known,
    );
    return stay({ ...state, trials });
  }
  // Its last message may be read after its exit was.
  if (child.kind === 'waiting' || child.kind === 'ended') {
    return { state, effects: [{ kind: 'kill-orphans', orphans: [trial] }] };
  }
  const { memoryBytesMax, dueInMs } = message;
  const watched: WatchedTrial = { trial, memoryBytesMax, dueAtMs: nowMs + dueInMs };
  // A child that reports more than it may run gets the oldest forgotten, not the memory filled.
  const trials = [...others, watched].slice(-limits.trialsMax);
  return stay(watching({ ...state, trials }, nowMs));
}

/** There is something to look at from now on. */
const watching = (state: SupervisionState, nowMs: number): SupervisionState => ({
  ...state,
  looksAtMs: Math.min(state.looksAtMs, nowMs),
});

function childExited(
  state: SupervisionState,
  exit: { readonly code: number | null; readonly signal: string | null },
  context: SupervisionContext,
): SupervisionStep {
  const { child } = state;
  if (child.kind === 'stopping') {
    return end(state, 0, exitFacts(state, 'stopped', exit));
  }
  const reason = reasonOf(child, exit);
  if (reason === 'clean') {
    return restart(state, exitFacts(state, 'clean', exit), context);
  }
  const counted = countCrash(state, context);
  const facts = exitFacts(counted, reason, exit);
  if (exit.code === context.policy.hopelessExitCode) return end(counted, exit.code, facts);
  return restart(counted, facts, context);
}

function reasonOf(
  child: Child,
  exit: { readonly code: number | null; readonly signal: string | null },
): ExitReason {
  // A child that ended by itself in the moment it was to be killed was still judged.
  if (child.kind === 'running' && child.killed !== undefined) return child.killed.kind;
  if (exit.code === 0) return 'clean';
  return exit.signal === 'SIGKILL' ? 'killed' : 'crash';
}

function exitFacts(
  state: SupervisionState,
  reason: ExitReason,
  exit: { readonly code: number | null; readonly signal: string | null },
): PreviousExit {
  return {
    reason,
    code: exit.code,
    signal: exit.signal,
    ...blameOf(state.child),
    crashesInWindow: state.crashesAtMs.length,
  };
}

function blameOf(child: Child): { readonly slot?: string; readonly blame?: string } {
  const killed = child.kind === 'running' ? child.killed : undefined;
  if (killed === undefined || killed.kind === 'heartbeat-missed') return {};
  const { slot, code: blame } = killed;
  return slot === undefined || blame === undefined ? {} : { slot, blame };
}

function countCrash(
  state: SupervisionState,
  { nowMs, policy }: SupervisionContext,
): SupervisionState {
  const recent = state.crashesAtMs.filter((atMs) => nowMs - atMs < policy.crashWindowMs);
  return { ...state, crashesAtMs: [...recent, nowMs].slice(-limits.crashesCountedMax) };
}

function restart(
  state: SupervisionState,
  facts: PreviousExit,
  { nowMs, policy }: SupervisionContext,
): SupervisionStep {
  const delayMs = restartDelayMs(policy, facts.crashesInWindow);
  return {
    state: {
      ...state,
      child: { kind: 'waiting', startsAtMs: nowMs + delayMs },
      ...nothingWatched,
      previousExit: facts,
    },
    effects: [...afterwards(state), { kind: 'write-exit', exit: facts }],
  };
}

function end(state: SupervisionState, exitCode: number, facts?: PreviousExit): SupervisionStep {
  return {
    state: { ...state, child: { kind: 'ended' }, ...nothingWatched },
    effects: [
      ...afterwards(state),
      ...(facts === undefined ? [] : [{ kind: 'write-exit' as const, exit: facts }]),
      { kind: 'end', exitCode },
    ],
  };
}

const nothingWatched = { trials: [], looksAtMs: Infinity };

/** First of all, whatever else fails: a hung trial holds its cores and its memory until somebody kills it. */
const afterwards = ({ trials }: SupervisionState): readonly SupervisionEffect[] =>
  trials.length === 0 ? [] : [{ kind: 'kill-orphans', orphans: trials.map(({ trial }) => trial) }];

function stopAsked(state: SupervisionState, context: SupervisionContext): SupervisionStep {
  const { child } = state;
  switch (child.kind) {
    case 'starting':
      return stay(withChild(state, { kind: 'starting', isStopAsked: true }));
    case 'running':
      return askToStop(state, child.pid, context);
    case 'waiting':
      return end(state, 0);
    case 'stopping':
    case 'ended':
      return stay(state);
    default:
      return unreachable(child);
  }
}

function askToStop(
  state: SupervisionState,
  pid: number,
  { nowMs, policy }: SupervisionContext,
): SupervisionStep {
  const killedAtMs = nowMs + policy.stopTimeoutMs;
  return {
    state: withChild(state, { kind: 'stopping', pid, killedAtMs }),
    effects: [{ kind: 'signal-child', signal: 'SIGTERM' }],
  };
}

function timePassed(state: SupervisionState, context: SupervisionContext): SupervisionStep {
  const looked = lookAtMemory(state, context);
  const judged = judgeSilence(looked.state, context);
  return { state: judged.state, effects: [...looked.effects, ...judged.effects] };
}

function memoryRead(
  state: SupervisionState,
  reading: MemoryReading,
  context: SupervisionContext,
): SupervisionStep {
  const judged = judgeMemory(state, reading, context);
  const { child } = judged.state;
  if (!judged.isGraceOver || child.kind !== 'running') return judged;
  const killed = kill(judged.state, child, { kind: 'memory-limit' });
  return { state: killed.state, effects: [...judged.effects, ...killed.effects] };
}

function judgeSilence(state: SupervisionState, context: SupervisionContext): SupervisionStep {
  const { child } = state;
  const { nowMs, policy } = context;
  if (nowMs < childDueMs(child)) return stay(state);
  if (child.kind === 'running') {
    // Heartbeats that came while this process stood still (suspended, swapped out) are not read yet.
    if (nowMs - child.judgedAtMs > policy.ownLatenessMs) {
      const judgedAtMs = nowMs + policy.heartbeatTimeoutMs;
      return stay(withChild(state, { ...child, judgedAtMs }));
    }
    return kill(state, child, { kind: 'heartbeat-missed' });
  }
  if (child.kind === 'stopping') return killStopping(state);
  if (child.kind === 'waiting') {
    return {
      state: withChild(state, { kind: 'starting', isStopAsked: false }),
      effects: [{ kind: 'spawn-child', previous: state.previousExit }],
    };
  }
  return stay(state);
}

function kill(state: SupervisionState, child: RunningChild, killed: KillReason): SupervisionStep {
  if (child.killed !== undefined) return stay(state);
  return {
    state: withChild(state, { ...child, killed }),
    effects: [{ kind: 'signal-child', signal: 'SIGKILL' }],
  };
}

function killStopping(state: SupervisionState): SupervisionStep {
  if (state.child.kind !== 'stopping') return stay(state);
  return {
    state: withChild(state, { ...state.child, killedAtMs: Infinity }),
    effects: [{ kind: 'signal-child', signal: 'SIGKILL' }],
  };
}
