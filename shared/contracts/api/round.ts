import { CandidateEvidenceSchema, RoundRequestSchema } from '../federation.ts';
import { type Static, Type } from '../json-schema.ts';
import {
  AppNameSchema,
  CounterSchema,
  DigestSchema,
  InstantMsSchema,
  oneOf,
  RolloutIdSchema,
  RoundIdSchema,
  TargetPathSchema,
} from '../names.ts';
import { closed, pageOf, pageQueryOf } from './page.ts';

export const roundPhaseNames = [
  'selecting',
  'configuring',
  'reporting',
  'aggregated',
  'completed',
  'candidate-rejected',
  'abandoned',
] as const;
/** From these nothing moves any more. */
export const endedPhases: readonly RoundRow['phase'][] = [
  'completed',
  'candidate-rejected',
  'abandoned',
];

const rowProperties = {
  round: RoundIdSchema,
  app: AppNameSchema,
  /** The bundle whose parameters the round starts from. */
  bundle: TargetPathSchema,
  phase: oneOf(roundPhaseNames),
  /** Rises with each change; the ETag. */
  version: CounterSchema,
  invited: CounterSchema,
  counted: CounterSchema,
  refused: CounterSchema,
  goalDevices: CounterSchema,
  author: Type.String(),
  createdAtMs: InstantMsSchema,
  updatedAtMs: InstantMsSchema,
};
export const RoundRowSchema = Type.Object(rowProperties, closed);
export type RoundRow = Static<typeof RoundRowSchema>;

export const RoundViewSchema = Type.Object(
  {
    ...rowProperties,
    request: RoundRequestSchema,
    /** Published and signed; its rollout is null until it has started. */
    candidate: Type.Union([
      Type.Null(),
      Type.Object(
        {
          path: TargetPathSchema,
          digest: DigestSchema,
          rollout: Type.Union([Type.Null(), RolloutIdSchema]),
        },
        closed,
      ),
    ]),
    /** What the held-out inputs said; null before a candidate was measured. */
    evidence: Type.Union([Type.Null(), CandidateEvidenceSchema]),
    /** Why it ended otherwise than completed. */
    reason: Type.Union([Type.Null(), Type.String()]),
  },
  closed,
);
export type RoundView = Static<typeof RoundViewSchema>;

export const RoundPageSchema = pageOf(RoundRowSchema);
export const RoundQuerySchema = pageQueryOf({});

/** What the server keeps of an upload, under the hash of its bytes. */
export const KeptBlobSchema = Type.Object({ digest: DigestSchema, bytes: CounterSchema }, closed);
