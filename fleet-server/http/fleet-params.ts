import { Type } from '../../shared/contracts/json-schema.ts';
import {
  DeviceIdSchema,
  DigestSchema,
  FleetIdSchema,
  Hex32Schema,
  RolloutIdSchema,
  RoundIdSchema,
} from '../../shared/contracts/names.ts';

const closed = { additionalProperties: false } as const;

/** Path parameters; the fleet comes first in every path of the admin plane. */
export const FleetParams = Type.Object({ fleet: FleetIdSchema }, closed);
export const DeviceParams = Type.Object({ fleet: FleetIdSchema, device: DeviceIdSchema }, closed);
export const RolloutParams = Type.Object(
  { fleet: FleetIdSchema, rollout: RolloutIdSchema },
  closed,
);
export const RoundParams = Type.Object({ fleet: FleetIdSchema, round: RoundIdSchema }, closed);
export const HeldOutParams = Type.Object({ fleet: FleetIdSchema, digest: DigestSchema }, closed);
export const ClaimParams = Type.Object({ fleet: FleetIdSchema, claimHash: Hex32Schema }, closed);

/** Documents `If-Match`; the route itself answers 428 when it is missing. */
export const IfMatchHeaders = Type.Object(
  { 'if-match': Type.Optional(Type.String({ maxLength: 128 })) },
  { additionalProperties: true },
);
