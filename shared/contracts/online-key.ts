import { type Static, Type } from './json-schema.ts';
import { Hex32Schema, oneOf } from './names.ts';

const hexOfLength = (bytes: number) =>
  Type.String({ pattern: `^[0-9a-f]{${2 * bytes}}$`, maxLength: 2 * bytes });
const closed = { additionalProperties: false } as const;

/** A key of the server on disk: its seed in the clear under mode 0600, or sealed under a passphrase. */
export const OnlineKeyFileSchema = Type.Object(
  {
    format: Type.Literal('skein-online-key/1'),
    role: oneOf(['snapshot', 'timestamp', 'federated', 'director', 'audit']),
    publicKey: Hex32Schema,
    secret: Type.Union([
      Type.Object({ kind: Type.Literal('plain'), seed: Hex32Schema }, closed),
      Type.Object(
        {
          kind: Type.Literal('sealed'),
          /** scrypt (Percival, 2009) with N = 2^17, r = 8, p = 1. */
          salt: hexOfLength(16),
          /** AES-256-GCM over the seed; role and public key are authenticated with it. */
          nonce: hexOfLength(12),
          sealedSeed: hexOfLength(48),
        },
        closed,
      ),
    ]),
  },
  closed,
);
export type OnlineKeyFile = Static<typeof OnlineKeyFileSchema>;
