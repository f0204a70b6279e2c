import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import type { RolloutPolicy } from '../../shared/contracts/rollout.ts';
import type { Digest, RolloutId } from '../../shared/core/ids.ts';
import type { DemoServer } from './demo-server.ts';
import { followRollout } from './follow-rollout.ts';
import { pathOf } from './publisher.ts';
import type { ResultRow } from './result-row.ts';
import { filetypeApp, type Play, policyOf } from './rollout-scene.ts';

export interface RolloutScene {
  readonly bundle: PackedBundle;
  readonly kind: ResultRow['kind'];
  readonly percents: readonly number[];
  /** What devices ran before; `undefined` for the first release. */
  readonly previous: Digest | undefined;
  readonly target?: string;
  readonly holdback?: RolloutPolicy['holdback'];
}

/** Starts one rollout, follows it to its end, and says what was seen of it on the devices. */
export async function playRollout(play: Play, scene: RolloutScene): Promise<ResultRow> {
  const startMs = clock.monotonicMs();
  const { bundle, kind, previous } = scene;
  const rollout = await submit(play.server, scene);
  const subject = { name: nameOf(bundle), digest: bundle.digest, kind, previous };
  return followRollout(play, subject, { rollout, startMs });
}

export const nameOf = ({ config }: PackedBundle): string => `${config.name}@${config.version}`;

async function submit({ runner, fleet }: DemoServer, scene: RolloutScene): Promise<RolloutId> {
  const { bundle } = scene;
  const request = {
    ...{ app: filetypeApp, path: pathOf(bundle), digest: bundle.digest },
    ...policyOf(scene),
  };
  const author = 'operator';
  const created = await runner.rollouts.create(fleet, { author, request });
  if (!created.ok) throw new Error(`${created.error.code}: ${created.error.message}`);
  const { rollout } = created.value;
  const event = { type: 'submitted', by: { kind: 'person', name: author } } as const;
  const submitted = await runner.rollouts.order({ fleet, rollout }, { event, version: undefined });
  if (!submitted.ok) throw new Error(`${nameOf(bundle)}: ${submitted.error.code}`);
  runner.wake();
  return rollout;
}
