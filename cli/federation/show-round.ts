import type { RoundView } from '../../shared/contracts/api/round.ts';
import type { ApiSession } from '../api/api-session.ts';
import { instant } from '../api/printer.ts';

export const roundsPath = ({ fleet }: Pick<ApiSession, 'fleet'>): string =>
  `/fleets/${encodeURIComponent(fleet)}/rounds`;

export const roundPath = (session: Pick<ApiSession, 'fleet'>, round: string): string =>
  `${roundsPath(session)}/${encodeURIComponent(round)}`;

export function showRound(view: RoundView): string {
  const { candidate, evidence, reason } = view;
  const why = reason === null ? '' : `: ${reason}`;
  const lines = [
    `${view.round}  ${view.app}  from ${view.bundle}`,
    `${view.phase}${why}, since ${instant(view.updatedAtMs)}`,
    `${view.counted} of ${view.goalDevices} updates counted, ${view.refused} refused, ${view.invited} devices invited`,
  ];
  if (evidence !== null) {
    const { n, base, candidate: made } = evidence;
    lines.push(`held out: ${base.correct} -> ${made.correct} of ${n} right`);
  }
  if (candidate !== null) {
    lines.push(`candidate ${candidate.path}, rollout ${candidate.rollout ?? 'not started'}`);
  }
  return lines.join('\n');
}
