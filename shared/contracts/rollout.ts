import { type Static, Type } from './json-schema.ts';
import { limits } from './limits.ts';
import {
  AppNameSchema,
  CounterSchema,
  DigestSchema,
  Hex32Schema,
  TargetPathSchema,
} from './names.ts';

const closed = { additionalProperties: false } as const;
const Share = Type.Number({ minimum: 0, maximum: 1 });
const Percent = Type.Number({ exclusiveMinimum: 0, maximum: 100 });
const Devices = Type.Integer({ minimum: 1, maximum: 10_000_000 });
/** At most a year: longer is a mistake in the unit. */
const DurationMs = Type.Integer({ minimum: 0, maximum: 31_622_400_000 });
const PositiveMs = Type.Integer({ minimum: 1, maximum: 31_622_400_000 });
const SizeSchema = Type.Union([
  Type.Object({ percent: Percent }, closed),
  Type.Object({ count: Devices }, closed),
]);

/** Cumulative: percent of the members outside the holdback, or a number of devices. */
export const WaveSchema = SizeSchema;
export type Wave = Static<typeof WaveSchema>;

const timeOfDay = Type.String({ pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$' });
const WeekdaySchema = Type.Union([
  Type.Literal('mon'),
  Type.Literal('tue'),
  Type.Literal('wed'),
  Type.Literal('thu'),
  Type.Literal('fri'),
  Type.Literal('sat'),
  Type.Literal('sun'),
]);

/** In each device's own local time. `to` at or before `from` means the next day. */
export const MaintenanceWindowSchema = Type.Object(
  {
    from: timeOfDay,
    to: timeOfDay,
    /** Days on which it opens; every day when absent. */
    days: Type.Optional(Type.Array(WeekdaySchema, { minItems: 1, maxItems: 7, uniqueItems: true })),
  },
  closed,
);
export type MaintenanceWindow = Static<typeof MaintenanceWindowSchema>;

/**
 * Which bound of the measured harm must lie within its margin for a wave to pass: the lower 90 % bound
 * (`unless-harm`), the estimate (`within-margin`), or the upper 95 % bound (`non-inferior`).
 */
export const PromoteRuleSchema = Type.Union([
  Type.Literal('unless-harm'),
  Type.Literal('within-margin'),
  Type.Literal('non-inferior'),
]);
export type PromoteRule = Static<typeof PromoteRuleSchema>;

/** The complete gates policy. A gate that is null is off; a ceiling that is null is not set. */
export const GatesSchema = Type.Object(
  {
    minimumSample: Type.Object({ devices: Devices, inferences: CounterSchema }, closed),
    failedUpdates: Type.Object({ shareMax: Share }, closed),
    errorRate: Type.Union([
      Type.Null(),
      Type.Object({ increaseMax: Share, ceiling: Type.Union([Type.Null(), Share]) }, closed),
    ]),
    latencyP95: Type.Union([
      Type.Null(),
      Type.Object(
        {
          ratioMax: Type.Number({ minimum: 1, maximum: 1000 }),
          ceilingMs: Type.Union([Type.Null(), Type.Number({ exclusiveMinimum: 0 })]),
        },
        closed,
      ),
    ]),
    accuracy: Type.Union([
      Type.Null(),
      Type.Object(
        { dropMax: Share, floor: Type.Union([Type.Null(), Share]), labelledMin: CounterSchema },
        closed,
      ),
    ]),
    /** Total variation distance between the predicted classes of wave and control. */
    classShift: Type.Union([Type.Null(), Type.Object({ distanceMax: Share }, closed)]),
    promote: PromoteRuleSchema,
    /** Chance of aborting a release that is within its margins, over all looks of one gate together. */
    falseAbortShare: Type.Number({ exclusiveMinimum: 0, maximum: 0.5 }),
    /** How alike the inferences of one device are (intraclass correlation). */
    intraclass: Share,
  },
  closed,
);
export type Gates = Static<typeof GatesSchema>;

/** A rollout as REST and the command line take it. What is absent gets the default of `resolveSpec`. */
export const RolloutRequestSchema = Type.Object(
  {
    app: AppNameSchema,
    path: TargetPathSchema,
    digest: DigestSchema,
    /** A filter of the targeting language. */
    target: Type.String({ minLength: 1, maxLength: limits.filterCharsMax }),
    /** Ascending; the last one is `{ percent: 100 }`. */
    waves: Type.Array(WaveSchema, { minItems: 1, maxItems: limits.wavesMax }),
    membership: Type.Optional(Type.Union([Type.Literal('static'), Type.Literal('dynamic')])),
    /** Un-updated until the last soak is judged: the concurrent control. */
    holdback: Type.Optional(
      Type.Union([SizeSchema, Type.Object({ count: Type.Literal(0) }, closed)]),
    ),
    /** `tags.NAME` or `facts.PATH`: each wave has every combination in proportion. */
    stratifyBy: Type.Optional(
      Type.Array(Type.String({ pattern: '^(tags|facts)\\.[A-Za-z0-9_.-]{1,63}$' }), {
        maxItems: limits.stratifyByMax,
        uniqueItems: true,
      }),
    ),
    soakMs: Type.Optional(DurationMs),
    /** From acknowledgement to an outcome, counted inside the maintenance window only. */
    deadlineMs: Type.Optional(PositiveMs),
    /** From the offer to its acknowledgement; then the device is unreached and replaced. */
    reachMs: Type.Optional(PositiveMs),
    approval: Type.Optional(Type.Union([Type.Literal('required'), Type.Literal('none')])),
    window: Type.Optional(MaintenanceWindowSchema),
    gates: Type.Optional(Type.Partial(GatesSchema, closed)),
    /** Takes devices over from older rollouts of the same app instead of waiting for them. */
    supersede: Type.Optional(Type.Boolean()),
    /** Offers a digest that was aborted or regressed before. */
    overrideStop: Type.Optional(Type.Boolean()),
    comment: Type.Optional(Type.String({ maxLength: 512 })),
  },
  closed,
);
export type RolloutRequest = Static<typeof RolloutRequestSchema>;

const {
  app: _app,
  path: _path,
  digest: _digest,
  ...policyProperties
} = RolloutRequestSchema.properties;
/** How something is rolled out, without what: for a bundle that is only made later. */
export const RolloutPolicySchema = Type.Object(policyProperties, closed);
export type RolloutPolicy = Static<typeof RolloutPolicySchema>;

/** The request with every default filled in: what is stored, approved and decided by. */
export interface RolloutSpec {
  readonly app: RolloutRequest['app'];
  readonly path: RolloutRequest['path'];
  readonly digest: RolloutRequest['digest'];
  /** Canonical spelling. */
  readonly target: string;
  readonly waves: readonly Wave[];
  readonly membership: 'static' | 'dynamic';
  /** Null: the larger of 5 % and the minimum sample. */
  readonly holdback: NonNullable<RolloutRequest['holdback']> | null;
  readonly stratifyBy: readonly string[];
  readonly soakMs: number;
  readonly deadlineMs: number;
  readonly reachMs: number;
  readonly approval: 'required' | 'none';
  readonly window: MaintenanceWindow | null;
  readonly gates: Gates;
  readonly supersede: boolean;
  readonly overrideStop: boolean;
  readonly comment: string;
}

/** What an approval covers; it is void as soon as any of the three differs. */
export const ApprovalBindingSchema = Type.Object(
  {
    digest: DigestSchema,
    /** sha256 of the canonical JSON of everything else in the spec: waves, gates, window, flags. */
    policyHash: Hex32Schema,
    target: Type.String({ maxLength: 8192 }),
  },
  closed,
);
export type ApprovalBinding = Static<typeof ApprovalBindingSchema>;
