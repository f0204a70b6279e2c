import type { RoundId } from '../core/ids.ts';
import { type Static, Type } from './json-schema.ts';
import { limits } from './limits.ts';
import {
  AppNameSchema,
  CodeSchema,
  CounterSchema,
  DeviceIdSchema,
  DigestSchema,
  EpochSchema,
  FleetIdSchema,
  Hex32Schema,
  InstantMsSchema,
  RoundIdSchema,
  TargetPathSchema,
  VersionSchema,
} from './names.ts';
import { RolloutPolicySchema } from './rollout.ts';

const closed = { additionalProperties: false } as const;

/** What a chosen device does with its own examples. */
export const TrainingTaskSchema = Type.Object(
  {
    epochs: Type.Integer({ minimum: 1, maximum: limits.trainingEpochsMax }),
    batchRows: Type.Integer({ minimum: 1, maximum: limits.trainingBatchRowsMax }),
    learningRate: Type.Number({ exclusiveMinimum: 0, maximum: 1000 }),
    /** Updates the sum waits for; a device compares it with the cohort floor its bundle was signed with. */
    goalDevices: Type.Integer({ minimum: 1, maximum: limits.roundDevicesMax }),
    /** Examples above which a device's vote grows no further. */
    weightSamplesMax: Type.Integer({ minimum: 1, maximum: limits.roundWeightSamplesMax }),
  },
  closed,
);
export type TrainingTask = Static<typeof TrainingTaskSchema>;

/** Payload of `dn/round`, signed by the director for one device. */
export const RoundOrderSchema = Type.Object(
  {
    fleet: FleetIdSchema,
    device: DeviceIdSchema,
    /** sha256 of the device's public key (raw 32 bytes), hexadecimal. */
    deviceKey: Hex32Schema,
    epoch: EpochSchema,
    round: RoundIdSchema,
    /** Rises when the same round is ordered again; the higher one holds. */
    number: CounterSchema,
    app: AppNameSchema,
    /** The bundle whose parameters the update starts from; the device must run exactly this one. */
    bundle: Type.Object({ path: TargetPathSchema, digest: DigestSchema }, closed),
    task: TrainingTaskSchema,
    issuedAtMs: InstantMsSchema,
    /** Gates the start of the training and the upload. */
    expiresAtMs: InstantMsSchema,
    /** Equal to `roundUploadPath(round)`: where to send is never a message's choice. */
    uploadPath: Type.String({
      pattern: '^/device/v1/rounds/rnd-[0-9a-f]{16}/update$',
      maxLength: 64,
    }),
  },
  closed,
);
export type RoundOrder = Static<typeof RoundOrderSchema>;

/** Path below the server's origin, written by HTTP PUT with the device's own token. */
export const roundUploadPath = (round: RoundId): string => `/device/v1/rounds/${round}/update`;

/** Payload of `up/round`, signed by the device: what was uploaded counts only with it. */
export const RoundReportSchema = Type.Object({
  fleet: FleetIdSchema,
  device: DeviceIdSchema,
  epoch: EpochSchema,
  round: RoundIdSchema,
  bundle: DigestSchema,
  /** Of the uploaded update. */
  update: DigestSchema,
  /** Own examples that were trained on. A claim: the vote is capped. */
  samples: CounterSchema,
  /** Mean loss over these examples before and after. */
  lossBefore: Type.Number({ minimum: 0 }),
  lossAfter: Type.Number({ minimum: 0 }),
});
export type RoundReport = Static<typeof RoundReportSchema>;

/** A person's request for a round, in REST and on the command line. */
export const RoundRequestSchema = Type.Object(
  {
    app: AppNameSchema,
    bundle: Type.Object({ path: TargetPathSchema, digest: DigestSchema }, closed),
    training: TrainingTaskSchema,
    /** Share of the goal with which a round that ran out of time is still aggregated. */
    minimumShare: Type.Number({ exclusiveMinimum: 0, maximum: 1 }),
    /** How long devices are waited for, and how long their updates. */
    selectionMs: Type.Integer({ minimum: 1, maximum: limits.roundPhaseMsMax }),
    reportingMs: Type.Integer({ minimum: 1, maximum: limits.roundPhaseMsMax }),
    /** Blob with labelled held-out inputs that the candidate is gated on. */
    heldOut: DigestSchema,
    /** What the candidate is called, above every known version; the next minor one when absent. */
    version: Type.Optional(VersionSchema),
    /** How the candidate is rolled out; in canary waves to every accepted device when absent. */
    rollout: Type.Optional(RolloutPolicySchema),
  },
  closed,
);
export type RoundRequest = Static<typeof RoundRequestSchema>;

/** Accuracy on held-out inputs, of the bundle that the devices learned from and of the candidate alike. */
export const CandidateEvidenceSchema = Type.Object(
  {
    n: CounterSchema,
    base: Type.Object({ correct: CounterSchema, logLoss: Type.Number() }, closed),
    candidate: Type.Object({ correct: CounterSchema, logLoss: Type.Number() }, closed),
    /** Share of the golden inputs on which both choose the same class. */
    goldenAgreement: Type.Number({ minimum: 0, maximum: 1 }),
    /** Largest difference of any golden output. */
    goldenDifference: Type.Number({ minimum: 0 }),
  },
  closed,
);
export type CandidateEvidence = Static<typeof CandidateEvidenceSchema>;

/**
 * An update on the wire, little-endian: `SKFU`, version (u32), the 32 bytes of the bundle's digest,
 * the round's 8 bytes,
 * the number of tensors (u32), one element count (u32) per tensor, then float32 values in the order in which the
 * bundle declares its parameters. Every number stands on a multiple of four, so the values are read in place.
 */
export const updateForm = { magic: 'SKFU', version: 1, headerBytes: 52 } as const;

/** What an update must be about and how it must be shaped. */
export interface UpdateShape {
  readonly round: RoundId;
  /** Digest of the bundle's manifest. */
  readonly bundle: string;
  /** Elements per tensor, in declared order. */
  readonly elements: readonly number[];
}

/** Why an update is not added to the sum of its round. */
export interface UpdateRefusal {
  readonly code:
    | 'too-large'
    | 'update-malformed'
    | 'update-shape-mismatch'
    | 'update-for-another'
    | 'update-not-finite'
    | 'update-norm-exceeded';
  readonly message: string;
}

export const updateBytesOf = ({ elements }: Pick<UpdateShape, 'elements'>): number =>
  updateForm.headerBytes +
  4 * elements.length +
  4 * elements.reduce((sum, count) => sum + count, 0);

/** `job.json` of the process that builds a candidate, beside `parent/`, `base/`, `parameters.bin`, `held-out.bin`. */
export const CandidateJobSchema = Type.Object(
  {
    round: RoundIdSchema,
    /** Target path of the offline-signed parent; devices look it up to compare. */
    parent: TargetPathSchema,
    /** Target path of the bundle that the devices learned from: the parent, or an earlier candidate of it. */
    base: TargetPathSchema,
    version: VersionSchema,
    /** Updates that were counted. */
    devices: CounterSchema,
    createdAtMs: InstantMsSchema,
  },
  closed,
);
export type CandidateJob = Static<typeof CandidateJobSchema>;

/** `outcome.json`, written last: without it the process did not finish. The candidate lies in `candidate/`. */
export const CandidateOutcomeSchema = Type.Union([
  Type.Object(
    { kind: Type.Literal('built'), digest: DigestSchema, evidence: CandidateEvidenceSchema },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('refused'),
      code: CodeSchema,
      message: Type.String({ maxLength: 1024 }),
      evidence: Type.Optional(CandidateEvidenceSchema),
    },
    closed,
  ),
]);
export type CandidateOutcome = Static<typeof CandidateOutcomeSchema>;
