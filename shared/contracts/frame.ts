import { type Static, Type } from './json-schema.ts';
import { BootIdSchema, CounterSchema, EpochSchema, InstantMsSchema } from './names.ts';

/**
 * Every MQTT message is one frame: a header line of JSON, a line feed, and the body, byte for byte.
 * The header carries what MQTT 5 would carry; the body is what was signed or sealed and is never re-serialized.
 */
export const FrameHeaderSchema = Type.Object(
  {
    v: Type.Literal(1),
    id: Type.String({ pattern: '^[0-9a-f]{16}$', maxLength: 16 }),
    /** Sender's wall clock; informative only. */
    ts: InstantMsSchema,
    epoch: EpochSchema,
    boot: BootIdSchema,
    /** Per boot and direction; the server refuses one that does not increase. */
    seq: CounterSchema,
    /**
     * Receiver drops the message after this instant of its trusted time. A hint, because no signature covers it:
     * whoever cuts or shortens it can do no more than delay or drop the message, which he can anyway.
     */
    exp: Type.Optional(InstantMsSchema),
    /** `id` of the message this one answers: kept free for `up/result`, no effect rests on it. */
    corr: Type.Optional(Type.String({ pattern: '^[0-9a-f]{16}$', maxLength: 16 })),
    /** HMAC-SHA256 under the session key over (kind, device, epoch, boot, seq, body), hexadecimal. */
    mac: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$', maxLength: 64 })),
  },
  { additionalProperties: false },
);
export type FrameHeader = Static<typeof FrameHeaderSchema>;

/** DSSE envelope (Dead Simple Signing Envelope, v1.0): the signature covers type and payload bytes. */
export const DsseEnvelopeSchema = Type.Object(
  {
    payloadType: Type.String({ maxLength: 80 }),
    payload: Type.String({ maxLength: 128 * 1024, pattern: '^[A-Za-z0-9+/]*={0,2}$' }),
    signatures: Type.Array(
      Type.Object(
        {
          keyid: Type.String({ pattern: '^[0-9a-f]{64}$', maxLength: 64 }),
          sig: Type.String({ pattern: '^[A-Za-z0-9+/]{86}==$', maxLength: 88 }),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 4 },
    ),
  },
  { additionalProperties: false },
);
export type DsseEnvelope = Static<typeof DsseEnvelopeSchema>;
