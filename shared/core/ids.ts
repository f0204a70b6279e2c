/**
 * Branded names. A branded string was checked at the edge it came in by; code behind the edge may
 * trust its form. The patterns are those of `docs/protocol.md`, section "Names".
 */
declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** Fleet name; obeys the device-id rule because it is a topic level too. */
export type FleetId = Branded<'FleetId'>;
/** Device name = MQTT client id = login. A device name is a credential. */
export type DeviceId = Branded<'DeviceId'>;
/** A model application on a device, such as `filetype`; one bundle of each app runs at a time. */
export type AppName = Branded<'AppName'>;
/** `sha256:` and 64 lower-case hexadecimal characters. */
export type Digest = Branded<'Digest'>;
/** TUF target path: `bundles/<name>@<version>` or `federated/<fleet>/<name>@<version>`. */
export type TargetPath = Branded<'TargetPath'>;
export type RolloutId = Branded<'RolloutId'>;
export type RoundId = Branded<'RoundId'>;
/** Random name of one enrolment of a device; new at each enrolment or loss of state. */
export type Epoch = Branded<'Epoch'>;
/** Random name of one start of the agent process. */
export type BootId = Branded<'BootId'>;
/** Random name of one outbox store; new whenever the store is new. */
export type OutboxId = Branded<'OutboxId'>;

export const namePattern = '^[a-z0-9][a-z0-9-]{1,62}$';
export const digestPattern = '^sha256:[0-9a-f]{64}$';
export const versionPattern = '^(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})$';
export const targetPathPattern =
  '^(bundles|federated/[a-z0-9][a-z0-9-]{1,62})/[a-z0-9][a-z0-9-]{1,62}@(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})$';
/** Ids that Skein draws itself: 32 hexadecimal characters (128 bits). */
export const drawnIdPattern = '^[0-9a-f]{32}$';
/** Rollout and round ids carry their kind, so that a person sees what an id names. */
export const rolloutIdPattern = '^rol-[0-9a-f]{16}$';
export const roundIdPattern = '^rnd-[0-9a-f]{16}$';

type Guard<T extends string> = (text: string) => text is T;

function matcher<T extends string>(pattern: string): Guard<T> {
  const regexp = new RegExp(pattern);
  return (text): text is T => regexp.test(text);
}

export const isFleetId = matcher<FleetId>(namePattern);
export const isDeviceId = matcher<DeviceId>(namePattern);
export const isAppName = matcher<AppName>(namePattern);
export const isDigest = matcher<Digest>(digestPattern);
export const isTargetPath = matcher<TargetPath>(targetPathPattern);
export const isRolloutId = matcher<RolloutId>(rolloutIdPattern);
export const isRoundId = matcher<RoundId>(roundIdPattern);
