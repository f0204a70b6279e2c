import type { RoundRow, RoundView } from '../../shared/contracts/api/round.ts';
import { reportingOf } from '../core/federation/round-state.ts';
import type { Round } from '../core/model/round.ts';
import { roundStateOf } from '../runner/federation/round-book.ts';

export function showRound(row: Round): RoundRow {
  const state = roundStateOf(row);
  const { request, author } = state.plan;
  const { invited, counted, refused } = reportingOf(state);
  return {
    ...{ round: row.round, app: row.app, bundle: request.bundle.path, phase: state.phase },
    ...{ version: row.version, invited: invited.length, counted, refused, author },
    goalDevices: request.training.goalDevices,
    ...{ createdAtMs: row.createdAtMs, updatedAtMs: row.updatedAtMs },
  };
}

export function showWholeRound(row: Round): RoundView {
  const state = roundStateOf(row);
  const candidate = 'candidate' in state ? state.candidate : null;
  const evidence = 'evidence' in state ? state.evidence : (candidate?.evidence ?? null);
  return {
    ...showRound(row),
    request: state.plan.request,
    candidate:
      candidate === null
        ? null
        : { path: candidate.path, digest: candidate.digest, rollout: candidate.rollout },
    evidence,
    reason: 'reason' in state ? state.reason : null,
  };
}
