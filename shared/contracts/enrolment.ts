import { type Static, Type } from './json-schema.ts';
import {
  CounterSchema,
  DeviceIdSchema,
  EpochSchema,
  FleetIdSchema,
  Hex32Schema,
  InstantMsSchema,
  oneOf,
} from './names.ts';

const closed = { additionalProperties: false } as const;
/** 256 random bits in hexadecimal, drawn by the server, used once. */
const NonceSchema = Hex32Schema;
const Origin = Type.String({ maxLength: 255 });

export const enrolmentStates = ['pending', 'accepted', 'rejected', 'decommissioned'] as const;
export type EnrolmentState = (typeof enrolmentStates)[number];

/** `POST /device/v1/challenges`: answered with a nonce and the server's signed time. */
export const ChallengeRequestSchema = Type.Object(
  { fleet: FleetIdSchema, device: DeviceIdSchema },
  closed,
);
export const ChallengeSchema = Type.Object(
  {
    nonce: NonceSchema,
    expiresAtMs: InstantMsSchema,
  },
  closed,
);
export type Challenge = Static<typeof ChallengeSchema>;

/** Payload (device-signed) of `POST /device/v1/enrolments`: proof of possession over (nonce, claim, key). */
export const EnrolmentSchema = Type.Object(
  {
    fleet: FleetIdSchema,
    device: DeviceIdSchema,
    nonce: NonceSchema,
    audience: Origin,
    /** The claim itself; the server keeps only its hash. */
    claim: Type.String({ pattern: '^[A-Za-z0-9_-]{22,64}$', maxLength: 64 }),
    /** Raw Ed25519 public key, hexadecimal. */
    publicKey: Hex32Schema,
  },
  closed,
);
export type Enrolment = Static<typeof EnrolmentSchema>;

/** Answer to an enrolment. */
export const EnrolmentAnswerSchema = Type.Object({ state: oneOf(enrolmentStates) }, closed);

/** Payload (device-signed) of `POST /device/v1/sessions`. `deviceNonce` binds the signed server time. */
export const LoginAssertionSchema = Type.Object(
  {
    fleet: FleetIdSchema,
    device: DeviceIdSchema,
    nonce: NonceSchema,
    audience: Origin,
    deviceNonce: NonceSchema,
  },
  closed,
);
export type LoginAssertion = Static<typeof LoginAssertionSchema>;

/** Payload (director-signed): time bound to the device's own nonce, so it cannot be replayed. */
export const ServerTimeSchema = Type.Object(
  { deviceNonce: NonceSchema, nowMs: InstantMsSchema },
  closed,
);

export const SessionGrantSchema = Type.Object(
  {
    epoch: EpochSchema,
    /** JWT for the broker; `sub` the device, at most 15 minutes. */
    brokerToken: Type.String({ maxLength: 2048 }),
    /** Bearer for `/device/v1` downloads and uploads. */
    accessToken: Type.String({ maxLength: 2048 }),
    /** HMAC key of this session, hexadecimal. Never logged. */
    sessionKey: Hex32Schema,
    expiresInMs: CounterSchema,
    /** DSSE envelope JSON of `ServerTime`. */
    serverTime: Type.String({ maxLength: 4096 }),
    brokerUrl: Type.String({ maxLength: 255 }),
    /** Spread of whatever the server makes many devices do at once. */
    jitterMs: CounterSchema,
  },
  closed,
);
export type SessionGrant = Static<typeof SessionGrantSchema>;
