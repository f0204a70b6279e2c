import { filetypeName } from '../../firmware-bundles/zoo/filetype/bundle.ts';
import type { RolloutPolicy } from '../../shared/contracts/rollout.ts';
import type { Digest } from '../../shared/core/ids.ts';
import type { DemoServer } from './demo-server.ts';
import type { SeenDevice } from './fleet/seen-device.ts';
import type { LiveView } from './live-view.ts';
import type { ResultRow } from './result-row.ts';

export interface Play {
  readonly server: DemoServer;
  readonly devices: readonly SeenDevice[];
  readonly view: LiveView;
  readonly signal: AbortSignal;
  /** What the view calls a digest; a candidate is named when it is made. */
  readonly names: Map<Digest, string>;
}

/** A bundle on its way through the fleet. */
export interface Subject {
  /** `name@version`. */
  readonly name: string;
  readonly digest: Digest;
  readonly kind: ResultRow['kind'];
  /** What devices ran before; `undefined` for the first release. */
  readonly previous: Digest | undefined;
}

/** Devices of the control: of fewer, no 95th percentile can be told from a worse one. */
const holdbackDevices = 10;

/** The policy of the demo: an ordinary one, with seconds where a fleet has hours. */
export const policyOf = (cohort: {
  readonly percents: readonly number[];
  readonly target?: string;
  readonly holdback?: RolloutPolicy['holdback'];
}): RolloutPolicy => ({
  target: cohort.target ?? 'state = accepted',
  waves: cohort.percents.map((percent) => ({ percent })),
  soakMs: 3_000,
  deadlineMs: 180_000,
  reachMs: 120_000,
  gates: {
    minimumSample: { devices: 2, inferences: 200 },
    // A device replays some twenty files of a few packages: its answers are much alike, and many of them prove little.
    intraclass: 0.4,
    // One thread answers for all devices here, so a tail that doubles may be the neighbours.
    latencyP95: { ratioMax: 4, ceilingMs: null },
  },
  holdback: cohort.holdback ?? { count: holdbackDevices },
});

export const filetypeApp = filetypeName;
