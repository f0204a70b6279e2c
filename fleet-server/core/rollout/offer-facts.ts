import type { DesiredEntry } from '../../../shared/contracts/desired.ts';
import type { Fact } from '../../../shared/contracts/explanation.ts';
import {
  highestCommonProtocol,
  type ProtocolRange,
  spokenProtocol,
} from '../../../shared/contracts/protocol-range.ts';
import type { AppName, DeviceId, Digest, RolloutId } from '../../../shared/core/ids.ts';
import { isOlderVersion } from '../../../shared/core/version-order.ts';
import type { Zones } from '../../../shared/ports/zones.ts';
import type { Regression } from '../model/regression.ts';
import type { FilterNode, TargetableDevice } from '../targeting/filter-ast.ts';
import { matchesFilter } from '../targeting/match-filter.ts';
import { type AssignmentIndex, armOf, stratumOf } from './assignment.ts';
import type { Cell } from './cells.ts';
import { isWindowOpen, nextOpening } from './maintenance-window.ts';
import type {
  AbortedState,
  AbortingState,
  CompletedState,
  PausedState,
  RunningState,
} from './rollout-state.ts';
import type { Exposure } from './step-exposure.ts';
import { souredFact } from './unjudged-regressions.ts';

/** A device as the desired state is decided for it. */
export interface DesiredDevice {
  readonly id: DeviceId;
  readonly cell: Cell;
  readonly targetable: TargetableDevice;
  /** Highest generation issued or reported; a new desired state goes above it. */
  readonly generation: number;
  readonly desired: ReadonlyMap<AppName, DesiredEntry>;
  /** Server time of the first commit per app. */
  readonly firstCommittedAtMs: ReadonlyMap<AppName, number>;
  /** The device's refusal list, as reported. */
  readonly refused: readonly { readonly digest: Digest; readonly retry: number }[];
  readonly exposures: readonly Exposure[];
  /** What its agent speaks; null until it has said so. */
  readonly protocol: ProtocolRange | null;
  /** Null until it has said so. */
  readonly agentVersion: string | null;
}

/** A rollout that was started, as loaded once for many devices. */
export interface DesiredRollout {
  readonly state: StartedState;
  readonly target: FilterNode;
  /** Null until membership froze. */
  readonly index: AssignmentIndex | null;
}

export type StartedState =
  | RunningState
  | PausedState
  | CompletedState
  | AbortingState
  | (AbortedState & { readonly order: number });

export interface DesiredContext {
  readonly nowMs: number;
  readonly zones: Zones;
  readonly revoked: ReadonlySet<Digest>;
  /** Aborted in this fleet. */
  readonly stopped: ReadonlySet<Digest>;
  /** Of the digests in question, in this fleet. */
  readonly regressions: readonly Regression[];
  /** Oldest agents that install the digests in question, where it is known. */
  readonly minAgents: ReadonlyMap<Digest, string>;
}

export const exposureOf = (device: DesiredDevice, rollout: RolloutId): Exposure | undefined =>
  device.exposures.find((exposure) => exposure.rollout === rollout);

/** Whether the device belongs to the rollout at all: meant by its target, and there when membership froze. */
export function isMember(device: DesiredDevice, rollout: DesiredRollout, nowMs: number): boolean {
  if (exposureOf(device, rollout.state.id) !== undefined) return true;
  return (
    matchesFilter(rollout.target, device.targetable, nowMs) && isEnrolledInTime(device, rollout)
  );
}

function isEnrolledInTime(device: DesiredDevice, { state, index }: DesiredRollout): boolean {
  if (state.spec.membership === 'dynamic' || index === null) return true;
  return device.targetable.enrolledAtMs <= index.assignment.frozenAtMs;
}

/** Who else has a say, found by `decideDesired` before the facts are gathered. */
export interface Rivals {
  /** The rollout that holds the claim on (device, app). */
  readonly holder: RolloutId | null;
  /** The rollout of the entry the device has, and its order; -1 without. */
  readonly current: { readonly rollout: RolloutId | null; readonly order: number };
}

/**
 * Everything that must be so before this rollout offers its bundle to this device, each with what is and what is
 * wanted. The offer is made exactly when no fact blocks.
 */
export function offerFacts(
  device: DesiredDevice,
  rollout: DesiredRollout,
  around: { readonly rivals: Rivals; readonly context: DesiredContext },
): readonly Fact[] {
  const { state } = rollout;
  const { rivals, context } = around;
  const { digest, overrideStop } = state.spec;
  const wants = (name: string, value: Fact['value'], limit: Fact['value']): Fact => ({
    name,
    value,
    limit,
    blocks: value !== limit,
  });
  const refused = device.refused.reduce(
    (most, entry) => (entry.digest === digest ? Math.max(most, entry.retry) : most),
    -1,
  );
  const isStopped = context.stopped.has(digest) && !overrideStop;
  const isOlder = rivals.current.order > state.order;
  return [
    wants('enrolment', device.targetable.state, 'accepted'),
    wants('member', isMember(device, rollout, context.nowMs), true),
    wants('rollout-state', state.kind, state.kind === 'completed' ? 'completed' : 'running'),
    wants('revoked-digest', context.revoked.has(digest), false),
    wants('stopped-digest', isStopped, false),
    regressionFact(device, state, context),
    protocolFact(device),
    agentFact(device, context.minAgents.get(digest)),
    wants('superseded-by', isOlder ? rivals.current.rollout : state.id, state.id),
    wants('claimed-by', claimOf(state, rivals), state.id),
    waveFact(device, rollout),
    {
      name: 'refused-at-retry',
      value: refused,
      limit: state.retry,
      blocks: refused >= state.retry,
    },
    windowFact(device, state, context),
  ];
}

/** Who has it keeps it, and a person may let a device try again; nobody else is offered what soured. */
function regressionFact(
  device: DesiredDevice,
  state: StartedState,
  { regressions }: DesiredContext,
): Fact {
  const soured = souredFact(state, regressions);
  return { ...soured, blocks: soured.blocks && exposureOf(device, state.id) === undefined };
}

/** An agent with which there is no language in common could not even say that it did not understand. */
function protocolFact({ protocol }: DesiredDevice): Fact {
  const isShared = protocol === null || highestCommonProtocol(protocol, spokenProtocol) !== null;
  const value = rangeText(protocol ?? spokenProtocol);
  return { name: 'protocol-unspoken', value, limit: rangeText(spokenProtocol), blocks: !isShared };
}

/** An older agent would refuse the bundle; it is offered when the device reports a new enough one. */
function agentFact({ agentVersion }: DesiredDevice, minAgent: string | undefined): Fact {
  const value = agentVersion ?? minAgent ?? null;
  const limit = minAgent ?? value;
  const blocks = value !== null && limit !== null && isOlderVersion(value, limit);
  return { name: 'agent-version', value, limit, blocks };
}

const rangeText = ({ min, max }: ProtocolRange): string =>
  min === max ? String(min) : `${min}-${max}`;

/** What is complete asks for no claim: it holds none against a rollout that runs. */
const claimOf = (state: StartedState, rivals: Rivals): RolloutId =>
  state.kind === 'completed' ? state.id : (rivals.holder ?? state.id);

function waveFact(device: DesiredDevice, { state, index }: DesiredRollout): Fact {
  const last = state.spec.waves.length;
  const open = openWave(state, last);
  const exposed = exposureOf(device, state.id);
  const wave = exposed?.wave ?? waveOf(device, state, index);
  // People count waves from 1; the number after the last one is the holdback and whoever follows with it.
  return { name: 'wave', value: wave + 1, limit: open + 1, blocks: wave > open };
}

function openWave(state: StartedState, last: number): number {
  if (state.kind === 'completed') return last;
  if (state.kind === 'running') return state.assignment === null ? -1 : state.wave;
  return state.kind === 'paused' ? state.running.wave : -1;
}

function waveOf(device: DesiredDevice, state: StartedState, index: AssignmentIndex | null): number {
  const last = state.spec.waves.length;
  if (index === null) return last;
  const arm = armOf(index, {
    id: device.id,
    cell: device.cell,
    stratum: stratumOf(index.assignment.stratifyBy, device.targetable),
    firstCommittedAtMs: device.firstCommittedAtMs.get(state.spec.app) ?? null,
  });
  return arm.arm === 'wave' ? arm.wave : last;
}

function windowFact(device: DesiredDevice, state: StartedState, context: DesiredContext): Fact {
  const { window } = state.spec;
  const { nowMs, zones } = context;
  const local = { zone: device.targetable.zone, zones };
  if (window === null || isWindowOpen(window, local, nowMs)) {
    return { name: 'maintenance-window', value: nowMs, limit: nowMs, blocks: false };
  }
  const opensAtMs = nextOpening(window, local, nowMs)?.fromMs ?? null;
  return { name: 'maintenance-window', value: opensAtMs, limit: nowMs, blocks: true };
}
