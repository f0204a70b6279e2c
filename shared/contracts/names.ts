import {
  type AppName,
  type BootId,
  type DeviceId,
  type Digest,
  digestPattern,
  drawnIdPattern,
  type Epoch,
  type FleetId,
  namePattern,
  type OutboxId,
  type RolloutId,
  type RoundId,
  rolloutIdPattern,
  roundIdPattern,
  type TargetPath,
  targetPathPattern,
  versionPattern,
} from '../core/ids.ts';
import { Type } from './json-schema.ts';

/** Schemas of the branded names: validation is what brands a string. */
const named = <T extends string>(pattern: string, maxLength: number) =>
  Type.Unsafe<T>(Type.String({ pattern, maxLength }));

export const FleetIdSchema = named<FleetId>(namePattern, 63);
export const DeviceIdSchema = named<DeviceId>(namePattern, 63);
export const AppNameSchema = named<AppName>(namePattern, 63);
export const DigestSchema = named<Digest>(digestPattern, 71);
export const TargetPathSchema = named<TargetPath>(targetPathPattern, 180);
export const RolloutIdSchema = named<RolloutId>(rolloutIdPattern, 20);
export const RoundIdSchema = named<RoundId>(roundIdPattern, 20);
export const EpochSchema = named<Epoch>(drawnIdPattern, 32);
export const BootIdSchema = named<BootId>(drawnIdPattern, 32);
export const OutboxIdSchema = named<OutboxId>(drawnIdPattern, 32);
export const VersionSchema = Type.String({ pattern: versionPattern, maxLength: 32 });
/** Lower-case hexadecimal of 32 bytes: a bare sha256, a TUF key id. */
export const Hex32Schema = Type.String({ pattern: '^[0-9a-f]{64}$', maxLength: 64 });
/** Catalogue codes travel as text, because an older peer may not know a newer code. */
export const CodeSchema = Type.String({ pattern: '^[a-z][a-z0-9-]{1,63}$', maxLength: 64 });
export const CounterSchema = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Milliseconds since 1970; a device's own clock may say anything between 1970 and the year 9999. */
export const InstantMsSchema = Type.Integer({ minimum: 0, maximum: 253402300799999 });

/** One of a closed list of words. */
export const oneOf = <const T extends string>(values: readonly T[]) =>
  Type.Unsafe<T>(Type.String({ enum: [...values] }));
