import { type Static, Type } from './json-schema.ts';
import { limits } from './limits.ts';
import {
  AppNameSchema,
  CounterSchema,
  DeviceIdSchema,
  DigestSchema,
  EpochSchema,
  FleetIdSchema,
  Hex32Schema,
  InstantMsSchema,
  RolloutIdSchema,
  TargetPathSchema,
} from './names.ts';

/** One app's wanted bundle. `rollout` is absent when the entry was set outside a rollout. */
export const DesiredEntrySchema = Type.Object(
  {
    app: AppNameSchema,
    path: TargetPathSchema,
    digest: DigestSchema,
    rollout: Type.Optional(RolloutIdSchema),
    /** A person raises it to let a device try a digest again that it has reverted. */
    retry: CounterSchema,
  },
  { additionalProperties: false },
);
export type DesiredEntry = Static<typeof DesiredEntrySchema>;

/** Head of the audit chain: the first `size` rows in one hash. Payload of the envelope `auditHead`. */
export const AuditHeadSchema = Type.Object(
  { size: CounterSchema, hash: Hex32Schema, atMs: InstantMsSchema },
  { additionalProperties: false },
);
export type AuditHead = Static<typeof AuditHeadSchema>;

/**
 * The text of a DSSE envelope by the audit key. It travels as it was signed, to the device and back: whoever holds it
 * can show that the server itself once vouched for this chain.
 */
export const SignedHeadSchema = Type.String({ maxLength: limits.signedHeadCharsMax });

/**
 * Payload of `dn/desired`, signed by the director: the whole desired set of one device, bound to its key and epoch.
 * Ordered by (directorVersion, generation); going back is a higher generation that names an older bundle.
 */
export const DesiredStateSchema = Type.Object(
  {
    fleet: FleetIdSchema,
    device: DeviceIdSchema,
    /** sha256 of the device's public key (raw 32 bytes), hexadecimal. */
    deviceKey: Hex32Schema,
    epoch: EpochSchema,
    directorVersion: CounterSchema,
    generation: CounterSchema,
    issuedAtMs: InstantMsSchema,
    /** Gates the start of an install, never keeping what runs nor going back. */
    expiresAtMs: InstantMsSchema,
    apps: Type.Array(DesiredEntrySchema, { maxItems: 16 }),
    /** Digests that must not run; can only add to what `revoked.json` says. */
    revoked: Type.Array(DigestSchema, { maxItems: limits.revokedPerOrderMax }),
    /** The audit chain when this was signed; absent while the chain is empty. */
    signedHead: Type.Optional(SignedHeadSchema),
  },
  { additionalProperties: false },
);
export type DesiredState = Static<typeof DesiredStateSchema>;
