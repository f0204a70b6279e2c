import { type Static, Type } from '../json-schema.ts';
import { FleetIdSchema, InstantMsSchema, oneOf } from '../names.ts';
import { closed } from './page.ts';

export const roleNames = ['viewer', 'operator', 'approver', 'admin'] as const;
const TokenNameSchema = Type.String({ pattern: '^[a-z0-9][a-z0-9._@-]{1,62}$' });
const FleetsSchema = Type.Array(FleetIdSchema, { maxItems: 64, uniqueItems: true });

export const TokenRequestSchema = Type.Object(
  {
    name: TokenNameSchema,
    role: oneOf(roleNames),
    /** Fleets it may name; an empty list means all. */
    fleets: FleetsSchema,
    /** Until revoked when absent. */
    lifeMs: Type.Optional(Type.Integer({ minimum: 1000, maximum: 31_622_400_000 })),
  },
  closed,
);

const viewProperties = {
  name: Type.String(),
  role: oneOf(roleNames),
  fleets: FleetsSchema,
  createdAtMs: InstantMsSchema,
  expiresAtMs: Type.Union([Type.Null(), InstantMsSchema]),
  revokedAtMs: Type.Union([Type.Null(), InstantMsSchema]),
};
export const TokenViewSchema = Type.Object(viewProperties, closed);
export type TokenView = Static<typeof TokenViewSchema>;
export const TokenListSchema = Type.Object({ items: Type.Array(TokenViewSchema) }, closed);
/** The one answer that holds the token itself. */
export const IssuedTokenSchema = Type.Object({ token: Type.String(), ...viewProperties }, closed);
export type IssuedTokenView = Static<typeof IssuedTokenSchema>;
export const TokenParamsSchema = Type.Object({ name: TokenNameSchema }, closed);

/** Who the asking token is. */
export const WhoSchema = Type.Object(
  { name: Type.String(), role: oneOf(roleNames), fleets: FleetsSchema },
  closed,
);
