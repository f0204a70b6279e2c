import { FactSchema } from '../explanation.ts';
import { type Static, Type } from '../json-schema.ts';
import { limits } from '../limits.ts';
import {
  AppNameSchema,
  CodeSchema,
  CounterSchema,
  DigestSchema,
  Hex32Schema,
  InstantMsSchema,
  oneOf,
  RolloutIdSchema,
} from '../names.ts';
import { ApprovalBindingSchema } from '../rollout.ts';
import { closed, pageOf, pageQueryOf, WhySchema } from './page.ts';

export const rolloutStatusNames = [
  'draft',
  'awaiting-approval',
  'running',
  'paused',
  'aborting',
  'aborted',
  'completed',
] as const;
/** From these nothing moves any more, unless a person says so. */
export const endedStatuses: readonly RolloutRow['status'][] = ['aborted', 'completed'];

const rowProperties = {
  rollout: RolloutIdSchema,
  app: AppNameSchema,
  digest: DigestSchema,
  status: oneOf(rolloutStatusNames),
  /** `running wave 2 soaking`. */
  place: Type.String(),
  /** Rises with each change; the ETag. */
  version: CounterSchema,
  author: Type.String(),
  createdAtMs: InstantMsSchema,
  updatedAtMs: InstantMsSchema,
};
export const RolloutRowSchema = Type.Object(rowProperties, closed);
export type RolloutRow = Static<typeof RolloutRowSchema>;

const BoundarySchema = Type.Object({ rank: CounterSchema, cut: CounterSchema }, closed);

/** Who was in which wave, for whoever wants to reckon it again: see "Waves" in docs/protocol.md. */
const PublishedAssignmentSchema = Type.Object(
  {
    /** Drawn when membership froze, shown when the rollout has ended. */
    secret: Hex32Schema,
    frozenAtMs: InstantMsSchema,
    stratifyBy: Type.Array(Type.String()),
    strata: Type.Array(
      Type.Object(
        {
          stratum: Type.String(),
          isVeteran: Type.Boolean(),
          waves: Type.Array(BoundarySchema),
          control: BoundarySchema,
        },
        closed,
      ),
    ),
    members: CounterSchema,
    holdback: CounterSchema,
    waveSizes: Type.Array(CounterSchema),
    isFirstRelease: Type.Boolean(),
  },
  closed,
);

export const RolloutViewSchema = Type.Object(
  {
    ...rowProperties,
    /** The whole plan with its defaults filled in. */
    spec: Type.Object({}, { additionalProperties: true }),
    /** What an approver must send back. */
    binding: ApprovalBindingSchema,
    last: Type.Object(
      {
        from: Type.String(),
        to: Type.String(),
        by: Type.String(),
        atMs: InstantMsSchema,
        code: CodeSchema,
        why: Type.Union([Type.Null(), Type.String()]),
        because: Type.Array(FactSchema),
      },
      closed,
    ),
    /** Of a rollout that has ended, where membership had frozen; absent before. */
    assignment: Type.Optional(PublishedAssignmentSchema),
    /** Devices by wave and what became of their offer. */
    devices: Type.Array(
      Type.Object(
        {
          wave: CounterSchema,
          arm: oneOf(['wave', 'control']),
          phase: Type.String(),
          count: CounterSchema,
        },
        closed,
      ),
    ),
  },
  closed,
);
export type RolloutView = Static<typeof RolloutViewSchema>;

export const RolloutPageSchema = pageOf(RolloutRowSchema);
export const RolloutQuerySchema = pageQueryOf({
  status: Type.Optional(oneOf(rolloutStatusNames)),
  app: Type.Optional(AppNameSchema),
});

export const RolloutOrderSchema = Type.Object({ why: Type.Optional(WhySchema) }, closed);
export const RolloutApprovalSchema = Type.Object({ binding: ApprovalBindingSchema }, closed);

export const RolloutEventSchema = Type.Object(
  {
    number: CounterSchema,
    atMs: InstantMsSchema,
    actor: Type.String(),
    kind: Type.String(),
    reason: Type.Union([Type.Null(), Type.String()]),
    numbers: Type.Array(FactSchema, { maxItems: limits.becauseMax }),
  },
  closed,
);
export type RolloutEventView = Static<typeof RolloutEventSchema>;
export const RolloutEventPageSchema = pageOf(RolloutEventSchema);
