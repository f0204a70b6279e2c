import { type Static, Type } from 'typebox';
import { AuditHeadSchema } from '../desired.ts';
import { CounterSchema, FleetIdSchema, Hex32Schema, InstantMsSchema } from '../names.ts';
import { closed, pageOf, pageQueryOf } from './page.ts';

/** A row of the chain as it stands: its hash can be computed again from the other fields. */
export const AuditRowSchema = Type.Object(
  {
    number: CounterSchema,
    fleet: Type.Union([Type.Null(), FleetIdSchema]),
    atMs: InstantMsSchema,
    actor: Type.String(),
    action: Type.String(),
    subject: Type.String(),
    details: Type.Unsafe<unknown>({}),
    previousHash: Hex32Schema,
    hash: Hex32Schema,
  },
  closed,
);
export type AuditRowView = Static<typeof AuditRowSchema>;
export const AuditPageSchema = pageOf(AuditRowSchema);
export const AuditQuerySchema = pageQueryOf({});
export const AuditHeadAnswerSchema = Type.Object(
  { head: Type.Union([Type.Null(), AuditHeadSchema]) },
  closed,
);
/** What a witness keeps between two looks: the heads it has seen. */
export const AuditWitnessSchema = Type.Object(
  { heads: Type.Array(AuditHeadSchema, { maxItems: 1024 }) },
  closed,
);
