import { type Static, Type } from 'typebox';
import { AuditHeadSchema } from './desired.ts';
import { CounterSchema, EpochSchema, InstantMsSchema } from './names.ts';

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
  },
  { additionalProperties: false },
);
export type AgentMemoryRecord = Static<typeof AgentMemorySchema>;
