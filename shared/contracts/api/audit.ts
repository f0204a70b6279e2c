import { AuditHeadSchema, SignedHeadSchema } from '../desired.ts';
import { type Static, Type } from '../json-schema.ts';
import {
  CounterSchema,
  DeviceIdSchema,
  FleetIdSchema,
  Hex32Schema,
  InstantMsSchema,
} from '../names.ts';
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
  {
    head: Type.Union([Type.Null(), AuditHeadSchema]),
    /** DSSE envelope of the head by the audit key, as an order would carry it. */
    signedHead: Type.Union([Type.Null(), SignedHeadSchema]),
  },
  closed,
);
export type AuditHeadAnswer = Static<typeof AuditHeadAnswerSchema>;

/** A head that devices returned as the largest they have seen. */
export const WitnessedHeadSchema = Type.Object(
  {
    head: AuditHeadSchema,
    signedHead: SignedHeadSchema,
    /** How many devices returned it, and one of them. */
    devices: CounterSchema,
    fleet: FleetIdSchema,
    device: DeviceIdSchema,
  },
  closed,
);
export type WitnessedHeadView = Static<typeof WitnessedHeadSchema>;
export const WitnessPageSchema = pageOf(WitnessedHeadSchema);
/** What a witness file keeps between two looks: the heads that were seen. */
const KeptHeadSchema = Type.Object(
  { ...AuditHeadSchema.properties, signedHead: Type.Optional(SignedHeadSchema) },
  closed,
);
export type KeptHead = Static<typeof KeptHeadSchema>;
export const AuditWitnessSchema = Type.Object(
  { heads: Type.Array(KeptHeadSchema, { maxItems: 1024 }) },
  closed,
);
