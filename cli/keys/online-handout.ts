import { createDecoder } from '../../shared/codec/validator.ts';
import type { DirectorKeys } from '../../shared/contracts/bundle-config.ts';
import { type Static, Type } from '../../shared/contracts/json-schema.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { Hex32Schema } from '../../shared/contracts/names.ts';
import { bytesOfHex, hexOf } from '../../shared/core/bytes.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { err, type Result } from '../../shared/core/result.ts';
import { type KeyStore, type OnlineRole, onlineRoles } from '../../shared/ports/key-store.ts';
import { readOptional } from './workspace.ts';

const closed = { additionalProperties: false } as const;

/** Public keys of a server's online roles, for the people who sign root and targets. Nothing in it is secret. */
const OnlineHandoutSchema = Type.Object(
  {
    format: Type.Literal('skein-online-public/1'),
    keys: Type.Object(
      {
        snapshot: Hex32Schema,
        timestamp: Hex32Schema,
        federated: Hex32Schema,
        director: Hex32Schema,
        audit: Hex32Schema,
      },
      closed,
    ),
  },
  closed,
);
export type OnlineHandout = Static<typeof OnlineHandoutSchema>;

const decodeHandout = createDecoder(OnlineHandoutSchema, 4096);

export function handoutOf(keys: KeyStore): OnlineHandout {
  const hex = (role: OnlineRole): string => hexOf(keys.signer(role).publicKey);
  return {
    format: 'skein-online-public/1',
    keys: {
      ...{ snapshot: hex('snapshot'), timestamp: hex('timestamp'), federated: hex('federated') },
      ...{ director: hex('director'), audit: hex('audit') },
    },
  };
}

export async function readHandout(path: string): Promise<Result<OnlineHandout, string>> {
  const bytes = await readOptional(path);
  if (bytes === undefined) return err(`no file ${path}`);
  const decoded = decodeHandout(bytes);
  return decoded.ok ? decoded : err(`${path}: ${decoded.error.pointer} ${decoded.error.message}`);
}

/** Raw Ed25519 public key, 32 bytes. */
export function handedKey({ keys }: OnlineHandout, role: OnlineRole): Uint8Array {
  const bytes = bytesOfHex(keys[role]);
  invariant(bytes !== undefined, 'the schema has checked that it is hexadecimal');
  return bytes;
}

/** Role by role, for people to compare. */
export const handedKeys = (
  handout: OnlineHandout,
): readonly (readonly [OnlineRole, Uint8Array])[] =>
  onlineRoles.map((role) => [role, handedKey(handout, role)] as const);

/**
 * `director.json` as these keys ask for it; other keys than before need a higher version. Of the director only the new
 * key counts. Audit keys stay beside the new one as long as there is room: heads that devices keep from before still
 * bear witness, and a stolen audit key can sign no more than a head that disagrees.
 */
export function directorOf(
  { keys }: OnlineHandout,
  before: DirectorKeys | undefined,
): DirectorKeys {
  const { director, audit } = keys;
  const isSame =
    before !== undefined && before.keys.join() === director && before.auditKeys[0] === audit;
  if (isSame) return before;
  const earlier = (before?.auditKeys ?? []).filter((key) => key !== audit);
  const auditKeys = [audit, ...earlier].slice(0, limits.auditKeysMax);
  return { version: (before?.version ?? 0) + 1, keys: [director], auditKeys };
}
