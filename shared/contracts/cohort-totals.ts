import { type Static, Type } from './json-schema.ts';
import { CodeSchema, CounterSchema } from './names.ts';

const closed = { additionalProperties: false } as const;
export const CodeCountSchema = Type.Object({ code: CodeSchema, count: CounterSchema }, closed);
export type CodeCount = Static<typeof CodeCountSchema>;

/** Sums of the telemetry windows of one arm since the rollout's first offer; integers, so sums are exact. */
export const ArmTotalsSchema = Type.Object(
  {
    /** Devices that contributed at least one window. */
    devices: CounterSchema,
    /** Answered and failed inferences together. */
    inferences: CounterSchema,
    /** By catalogue code, each code once. */
    errors: Type.Array(CodeCountSchema, { maxItems: 256 }),
    /** Over `shared/stats/latency-bins.ts`. */
    latency: Type.Array(CounterSchema, { maxItems: 64 }),
    /** By predicted class index; the last place counts categories that are not named. */
    predicted: Type.Array(CounterSchema, { maxItems: 256 }),
    labelled: CounterSchema,
    correct: CounterSchema,
  },
  closed,
);
export type ArmTotals = Static<typeof ArmTotalsSchema>;

/** Devices of a set of exposures by where their update stands. Each exposure is counted once. */
export const UpdateCountsSchema = Type.Object(
  {
    offered: CounterSchema,
    acknowledged: CounterSchema,
    committed: CounterSchema,
    failed: CounterSchema,
    unreached: CounterSchema,
    superseded: CounterSchema,
    /** Aborted, and told to go back. */
    restoring: CounterSchema,
    /** Aborted, and out of reach since: goes back when it appears. */
    unrestored: CounterSchema,
    restored: CounterSchema,
  },
  closed,
);
export type UpdateCounts = Static<typeof UpdateCountsSchema>;

/** Everything a verdict is made of. */
export const CohortTotalsSchema = Type.Object(
  {
    /** All exposures of the rollout so far. */
    updates: UpdateCountsSchema,
    /** Why the failed ones failed, each code once. */
    failures: Type.Array(CodeCountSchema, { maxItems: 256 }),
    /** Devices that committed the new bundle. */
    wave: ArmTotalsSchema,
    /** The holdback over the same time; null where there is none. */
    control: Type.Union([Type.Null(), ArmTotalsSchema]),
  },
  closed,
);
export type CohortTotals = Static<typeof CohortTotalsSchema>;

export const emptyArm: ArmTotals = {
  devices: 0,
  inferences: 0,
  errors: [],
  latency: [],
  predicted: [],
  labelled: 0,
  correct: 0,
};

export const noUpdates: UpdateCounts = {
  offered: 0,
  acknowledged: 0,
  committed: 0,
  failed: 0,
  unreached: 0,
  superseded: 0,
  restoring: 0,
  unrestored: 0,
  restored: 0,
};
