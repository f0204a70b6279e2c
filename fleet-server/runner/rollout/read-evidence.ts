import {
  type ArmTotals,
  type CohortTotals,
  emptyArm,
  noUpdates,
  type UpdateCounts,
} from '../../../shared/contracts/cohort-totals.ts';
import type { RolloutContext, RolloutState } from '../../core/rollout/rollout-state.ts';
import { unjudgedRegressions } from '../../core/rollout/unjudged-regressions.ts';
import { mergeArms } from '../../core/telemetry/cohort-totals.ts';
import type { StoreView } from '../../ports/store.ts';
import { standingOf } from './rollout-book.ts';

/** Everything a step of the rollout looks at, read from counters: it costs the number of waves, not of devices. */
export async function readEvidence(
  view: StoreView,
  state: RolloutState,
  now: {
    readonly nowMs: number;
    readonly revoked: ReadonlySet<string>;
    readonly scan: { readonly offerable: number; readonly blocked: number };
  },
): Promise<RolloutContext> {
  const { fleet, id, spec } = state;
  const counts = await view.offers.counts(fleet, id);
  const openWave = waveOf(state);
  let updates: UpdateCounts = noUpdates;
  let waveUpdates: UpdateCounts = noUpdates;
  for (const { wave, phase, count } of counts) {
    updates = { ...updates, [phase]: updates[phase] + count };
    if (wave === openWave) waveUpdates = { ...waveUpdates, [phase]: waveUpdates[phase] + count };
  }
  const failures = await view.offers.failureCodes(fleet, id);
  const arms = await readArms(view, state);
  const { stopped, regressions } = await standingOf(view, fleet, [spec.digest]);
  const isStopped = stopped.has(spec.digest) || unjudgedRegressions(state, regressions) > 0;
  const isRevoked = now.revoked.has(spec.digest);
  return {
    nowMs: now.nowMs,
    totals: { updates, failures, ...arms },
    waveUpdates,
    offerable: now.scan.offerable,
    blocked: now.scan.blocked,
    digest: isRevoked ? 'revoked' : isStopped ? 'stopped' : 'clear',
  };
}

/** The wave that is open, as exposures count it; -1 when none is. */
function waveOf(state: RolloutState): number {
  if (state.kind === 'running') return state.wave;
  return state.kind === 'paused' ? state.running.wave : -1;
}

async function readArms(
  view: StoreView,
  state: RolloutState,
): Promise<Pick<CohortTotals, 'wave' | 'control'>> {
  const records = await view.cohortTotals.listOf(state.fleet, state.id);
  const armTotals = (arm: 'wave' | 'control'): ArmTotals =>
    records
      .filter((record) => record.arm === arm)
      .reduce((sum, record) => mergeArms(sum, record.totals), emptyArm);
  return { wave: armTotals('wave'), control: hasControl(state) ? armTotals('control') : null };
}

/** Once the holdback follows, nobody is left to compare with; on a first release nobody ever was. */
function hasControl(state: RolloutState): boolean {
  const at = state.kind === 'running' ? state : state.kind === 'paused' ? state.running : undefined;
  const assignment = at?.assignment;
  if (at === undefined || assignment === undefined || assignment === null) return false;
  return !assignment.isFirstRelease && assignment.holdback > 0 && at.wave < state.spec.waves.length;
}
