import { limits } from '../../../shared/contracts/limits.ts';
import { unreachable } from '../../../shared/core/invariant.ts';
import type { ProcessIdentity } from '../../../shared/ports/process-host.ts';
import type { ChildMessage } from './child-message.ts';
import type { ExitReason, PreviousExit } from './previous-exit.ts';
import { restartDelayMs, type SupervisionPolicy } from './supervision-policy.ts';
import type { Child, KillReason, RunningChild, SupervisionState } from './supervision-state.ts';

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
  | { readonly kind: 'stop-asked' }
  /** Something in `nextDueMs` may be due. */
  | { readonly kind: 'time-passed' };

export type SupervisionEffect =
  /** Written before the child starts again, so that a crash of the supervisor forgets nothing. */
  | { readonly kind: 'write-exit'; readonly exit: PreviousExit }
  | { readonly kind: 'kill-orphans'; readonly orphans: readonly ProcessIdentity[] }
  | { readonly kind: 'spawn-child'; readonly previous: PreviousExit | undefined }
  | { readonly kind: 'signal-child'; readonly signal: 'SIGTERM' | 'SIGKILL' }
  | { readonly kind: 'end'; readonly exitCode: number };

export interface SupervisionContext {
  readonly nowMs: number;
  readonly policy: SupervisionPolicy;
}

export interface SupervisionStep {
  readonly state: SupervisionState;
  readonly effects: readonly SupervisionEffect[];
}

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
    case 'stop-asked':
      return stopAsked(state, context);
    case 'time-passed':
      return timePassed(state, context);
    default:
      return unreachable(event);
  }
}

/** Monotonic time at which `time-passed` can change something; infinite when nothing waits. */
export function nextDueMs({ child }: SupervisionState): number {
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
  return stay(withChild(state, { kind: 'running', pid, judgedAtMs: nowMs + policy.startGraceMs }));
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
  const { child, trials } = state;
  switch (message.kind) {
    case 'heartbeat':
      if (child.kind !== 'running') return stay(state);
      return stay(withChild(state, { ...child, judgedAtMs: nowMs + policy.heartbeatTimeoutMs }));
    case 'kill-me': {
      const { slot, code } = message;
      if (child.kind === 'running') return kill(state, child, { kind: 'hang', slot, code });
      // While it stops, a hung call would only use up the patience.
      if (child.kind === 'stopping') return killStopping(state);
      return stay(state);
    }
    case 'trial-started':
      // Its last message may be read after its exit was.
      if (child.kind === 'waiting' || child.kind === 'ended') {
        return { state, effects: [{ kind: 'kill-orphans', orphans: [message.trial] }] };
      }
      // A child that reports more than it may run gets the oldest forgotten, not the memory filled.
      return stay({ ...state, trials: [...trials, message.trial].slice(-limits.trialsMax) });
    case 'trial-ended':
      return stay({ ...state, trials: trials.filter((trial) => !isSame(trial, message.trial)) });
    default:
      return unreachable(message);
  }
}

const isSame = (a: ProcessIdentity, b: ProcessIdentity): boolean =>
  a.pid === b.pid && a.birth === b.birth;

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
  const killed = state.child.kind === 'running' ? state.child.killed : undefined;
  return {
    reason,
    code: exit.code,
    signal: exit.signal,
    ...(killed?.kind === 'hang' ? { slot: killed.slot, blame: killed.code } : {}),
    crashesInWindow: state.crashesAtMs.length,
  };
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
      trials: [],
      previousExit: facts,
    },
    effects: [...afterwards(state), { kind: 'write-exit', exit: facts }],
  };
}

function end(state: SupervisionState, exitCode: number, facts?: PreviousExit): SupervisionStep {
  return {
    state: { ...state, child: { kind: 'ended' }, trials: [] },
    effects: [
      ...afterwards(state),
      ...(facts === undefined ? [] : [{ kind: 'write-exit' as const, exit: facts }]),
      { kind: 'end', exitCode },
    ],
  };
}

/** First of all, whatever else fails: a hung trial holds its cores and its memory until somebody kills it. */
const afterwards = ({ trials }: SupervisionState): readonly SupervisionEffect[] =>
  trials.length === 0 ? [] : [{ kind: 'kill-orphans', orphans: trials }];

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
  const { child } = state;
  const { nowMs, policy } = context;
  if (nowMs < nextDueMs(state)) return stay(state);
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
