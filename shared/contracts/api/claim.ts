import { type Static, Type } from '../json-schema.ts';
import { limits } from '../limits.ts';
import { CounterSchema, FleetIdSchema, Hex32Schema, InstantMsSchema } from '../names.ts';
import { closed, TagsSchema } from './page.ts';

/** A glob over device ids. */
const IdPatternSchema = Type.String({ pattern: '^[a-z0-9*?-]{1,63}$' });

export const ClaimRequestSchema = Type.Object(
  {
    /** Which ids it may enrol; every id when absent. */
    idPattern: Type.Optional(IdPatternSchema),
    /** 1 when absent. */
    uses: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.claimUsesMax })),
    /** An hour when absent. */
    lifeMs: Type.Optional(Type.Integer({ minimum: 1000, maximum: limits.claimLifeMsMax })),
    /** Devices land in `accepted`; false when absent: then an operator accepts each. */
    preAuthorized: Type.Optional(Type.Boolean()),
    tags: Type.Optional(TagsSchema),
  },
  closed,
);

export const ClaimViewSchema = Type.Object(
  {
    fleet: FleetIdSchema,
    claimHash: Hex32Schema,
    idPattern: IdPatternSchema,
    usesLeft: CounterSchema,
    expiresAtMs: InstantMsSchema,
    preAuthorized: Type.Boolean(),
    tags: TagsSchema,
    createdAtMs: InstantMsSchema,
    createdBy: Type.String(),
  },
  closed,
);
export type ClaimView = Static<typeof ClaimViewSchema>;

/** The one answer that holds the claim itself. */
export const IssuedClaimSchema = Type.Object(
  {
    claim: Type.String(),
    /** What a device is given: where to ask, the claim, and the root it must find there. */
    enrolment: Type.String(),
    ...ClaimViewSchema.properties,
  },
  closed,
);
export type IssuedClaimView = Static<typeof IssuedClaimSchema>;

export const ClaimListSchema = Type.Object({ items: Type.Array(ClaimViewSchema) }, closed);
