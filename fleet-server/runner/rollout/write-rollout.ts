import type { Json } from '../../../shared/core/canonical-json.ts';
import type { Rollout } from '../../core/model/rollout.ts';
import type { RolloutState, Transition } from '../../core/rollout/rollout-state.ts';
import type { StoreTx } from '../../ports/store.ts';
import { appendAudit } from '../append-audit.ts';

/** Writes a step: the state, and the transition that led to it where there was one. Nothing when nothing changed. */
export async function writeStep(
  tx: StoreTx,
  row: Rollout,
  step: {
    readonly state: RolloutState;
    readonly transition: Transition | undefined;
    readonly nowMs: number;
  },
): Promise<void> {
  const { state, transition, nowMs } = step;
  if (transition !== undefined) await writeTransition(tx, row, transition);
  const isSame = JSON.stringify(state) === JSON.stringify(row.reducerState);
  if (isSame) return;
  await tx.rollouts.update(row.fleet, row.rollout, {
    expectedVersion: row.version,
    nowMs,
    patch: {
      status: state.kind,
      wave: state.kind === 'running' ? state.wave : row.wave,
      reducerState: state as unknown as Json,
      digest: state.spec.digest,
      spec: state.spec as unknown as Json,
    },
  });
}

/** A draft that is not there yet. */
export async function writeNewRollout(
  tx: StoreTx,
  row: Rollout,
  transition: Transition,
): Promise<void> {
  await auditTransition(tx, row, transition);
  await tx.rollouts.insert(row);
  await appendEvents(tx, row, transition);
}

/** The audit row comes before its effect, in the same transaction. */
async function writeTransition(tx: StoreTx, row: Rollout, transition: Transition): Promise<void> {
  await auditTransition(tx, row, transition);
  await appendEvents(tx, row, transition);
}

async function auditTransition(tx: StoreTx, row: Rollout, transition: Transition): Promise<void> {
  await appendAudit(tx, {
    atMs: transition.atMs,
    actor: actorOf(transition),
    fleet: row.fleet,
    action: 'rollout-moved',
    subject: row.rollout,
    details: detailsOf(transition),
  });
}

async function appendEvents(tx: StoreTx, row: Rollout, transition: Transition): Promise<void> {
  const { atMs } = transition;
  await tx.rollouts.appendEvent(row.fleet, row.rollout, {
    atMs,
    actor: actorOf(transition),
    kind: transition.to,
    reason: transition.code,
    numbers: transition.because,
  });
  await tx.events.append(row.fleet, {
    atMs,
    kind: 'rollout-moved',
    subject: row.rollout,
    content: detailsOf(transition),
  });
}

const actorOf = ({ by }: Transition): string => (by.kind === 'person' ? by.name : 'skein');

const detailsOf = (transition: Transition): Json => ({ ...transition, by: actorOf(transition) });
