import { AuditHeadSchema, SignedHeadSchema } from './desired.ts';
import { type Static, Type } from './json-schema.ts';
import { CounterSchema, EpochSchema, InstantMsSchema } from './names.ts';

const FreshnessSchema = Type.Object(
  {
    /** Trusted time of the newest refresh that ended well under trusted time; absent before the first. */
    freshAtMs: Type.Optional(InstantMsSchema),
    /** Milliseconds the agent was alive since then, over all boots, by the monotonic clock. */
    aliveMs: CounterSchema,
  },
  { additionalProperties: false },
);
export type Freshness = Static<typeof FreshnessSchema>;

/** The agent's own small file `state/memory.json`: what must outlive a boot and is no event. */
export const AgentMemorySchema = Type.Object(
  {
    /** Enrolment epoch, as the server said it at the newest login. */
    epoch: Type.Optional(EpochSchema),
    /** Trusted-time floor. */
    floorMs: InstantMsSchema,
    /** Report numbers up to here may have been used. */
    reportsReserved: CounterSchema,
    /** Largest audit head seen in an order: a cut or forked log is noticed by it. */
    auditHead: Type.Optional(AuditHeadSchema),
    /** The same as it was signed; absent in a memory from before heads were signed. */
    signedHead: Type.Optional(SignedHeadSchema),
    /** How old the verified metadata is, for bundles that name a limit. */
    freshness: Type.Optional(FreshnessSchema),
    /** Window of the newest grant, over which this device spreads what many do at once. */
    jitterMs: Type.Optional(CounterSchema),
  },
  { additionalProperties: false },
);
export type AgentMemoryRecord = Static<typeof AgentMemorySchema>;
