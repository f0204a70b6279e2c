import type { RolloutView } from '../../shared/contracts/api/rollout.ts';
import type { ApiSession } from '../api/api-session.ts';
import { instant, table } from '../api/printer.ts';

export const rolloutPath = ({ fleet }: Pick<ApiSession, 'fleet'>, rollout: string): string =>
  `/fleets/${encodeURIComponent(fleet)}/rollouts/${encodeURIComponent(rollout)}`;

export function showRollout(view: RolloutView): string {
  const { by, code, why, atMs } = view.last;
  const words = why === null || why === '' ? '' : ` "${why}"`;
  const lines = [
    `${view.rollout}  ${view.app}  ${view.digest}`,
    `${view.place}, since ${instant(atMs)} by ${by}: ${code}${words}`,
  ];
  if (view.assignment !== undefined) {
    const { secret, members, holdback } = view.assignment;
    lines.push(`${members} members, ${holdback} held back; order of the cells by secret ${secret}`);
  }
  if (view.devices.length === 0) return lines.join('\n');
  const rows = view.devices.map(({ wave, arm, phase, count }) => [wave + 1, arm, phase, count]);
  return [...lines, table(['WAVE', 'ARM', 'PHASE', 'DEVICES'], rows)].join('\n');
}
