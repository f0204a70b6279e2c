import { SignedHeadSchema } from './desired.ts';
import { type Static, Type } from './json-schema.ts';
import {
  AppNameSchema,
  BootIdSchema,
  CodeSchema,
  CounterSchema,
  DeviceIdSchema,
  DigestSchema,
  EpochSchema,
  FleetIdSchema,
  InstantMsSchema,
  oneOf,
  TargetPathSchema,
} from './names.ts';

export const updatePhases = [
  'idle',
  'fetching',
  'verifying',
  'staging',
  'self-testing',
  'probation',
  'committed',
  'reverted',
  'refused',
  'no-model',
  // Beside `no-model`: no model of the app may run, and the default answer of its bundle is given.
  'default-answer',
] as const;

const PhaseSchema = oneOf(updatePhases);
export type UpdatePhase = (typeof updatePhases)[number];

/** What one app of a device does now; the device's journal is the truth behind it. */
export const ReportedAppSchema = Type.Object({
  app: AppNameSchema,
  phase: PhaseSchema,
  /** The digest the newest decision is about, with the generation and retry it came with. */
  target: Type.Optional(
    Type.Object({
      path: TargetPathSchema,
      digest: DigestSchema,
      generation: CounterSchema,
      retry: CounterSchema,
    }),
  ),
  /** Answers live inputs now. */
  active: Type.Optional(DigestSchema),
  lastGood: Type.Optional(DigestSchema),
  /** Why the newest target is not running: a code of the catalogue. */
  reason: Type.Optional(CodeSchema),
  /** `full`: last-good has copies of its own; `shared`: space did not allow it. */
  redundancy: Type.Optional(oneOf(['full', 'shared'])),
  /** Committed once, failed later: the guard stays armed after commit. */
  regressed: Type.Optional(Type.Boolean()),
  /** First answer of the model that runs now, device monotonic ms after the verdict that led to it. */
  revertMs: Type.Optional(CounterSchema),
});
export type ReportedApp = Static<typeof ReportedAppSchema>;

/** One fact about the device, for targeting: short text, number or flag under a dotted name. */
export const FactsSchema = Type.Record(
  Type.String({ pattern: '^[a-z][A-Za-z0-9.]{0,47}$' }),
  Type.Union([Type.String({ maxLength: 128 }), Type.Number(), Type.Boolean()]),
  { maxProperties: 64 },
);
export type Facts = Static<typeof FactsSchema>;

/** Payload of `up/reported`, signed by the device key. Open for newer agents, bounded by the frame. */
export const ReportedStateSchema = Type.Object({
  fleet: FleetIdSchema,
  device: DeviceIdSchema,
  epoch: EpochSchema,
  boot: BootIdSchema,
  /** Rises by one per report within an epoch, over boots too. */
  number: CounterSchema,
  atMs: InstantMsSchema,
  /** Largest (directorVersion, generation) whose envelope was verified here. */
  seen: Type.Object({ directorVersion: CounterSchema, generation: CounterSchema }),
  apps: Type.Array(ReportedAppSchema, { maxItems: 16 }),
  refused: Type.Array(
    Type.Object({ digest: DigestSchema, retry: CounterSchema, reason: CodeSchema }),
    { maxItems: 64 },
  ),
  agentVersion: Type.String({ maxLength: 32 }),
  protocol: Type.Object({ min: CounterSchema, max: CounterSchema }),
  facts: FactsSchema,
  zone: Type.Optional(Type.String({ maxLength: 64 })),
  /** Largest audit head that came in an order and was signed by the audit key. */
  signedHead: Type.Optional(SignedHeadSchema),
});
export type ReportedState = Static<typeof ReportedStateSchema>;
