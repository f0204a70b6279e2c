import { isJsonObject, type JsonObject } from '../../../shared/trust/strict-json.ts';
import type { Root, SignedFile, Snapshot, Timestamp } from '../../../shared/trust/tuf/metadata.ts';
import { nextBody, snapshotBody, timestampBody } from '../../../shared/trust/tuf/repository.ts';
import { meetsThreshold } from '../../../shared/trust/tuf/signature.ts';
import type { TrustedMetadata } from './trusted-metadata.ts';

/** How long the server's own two files live; they are signed again at half of it. */
export interface OnlineLives {
  readonly snapshotLifeMs: number;
  readonly timestampLifeMs: number;
}

/**
 * Versions of what the server signs itself are at least the seconds since 1970. So a server that was restored from a
 * backup signs above what the lost one had signed (5.4.3.1, 5.5.4), though it does not know how far that one had come.
 */
export const versionAfter = (before: number, nowMs: number): number =>
  Math.max(before + 1, Math.floor(nowMs / 1000));

/** The snapshot after this one: every role it listed stays (5.5.5), the changed ones are listed anew. */
export function nextSnapshotBody(
  before: SignedFile<Snapshot> | undefined,
  options: {
    readonly changed: ReadonlyMap<string, Uint8Array>;
    readonly expiresAtMs: number;
    readonly nowMs: number;
  },
): JsonObject {
  const { changed, expiresAtMs, nowMs } = options;
  const version = versionAfter(before?.body.version ?? 0, nowMs);
  const first = snapshotBody({ version, expiresAtMs, files: changed });
  if (before === undefined) return first;
  const meta = { ...membersOf(before.signed, 'meta'), ...membersOf(first, 'meta') };
  return { ...nextBody(before.signed, { expiresAtMs, change: { meta } }), version };
}

export function nextTimestampBody(
  before: SignedFile<Timestamp> | undefined,
  options: {
    readonly snapshot: Uint8Array;
    readonly expiresAtMs: number;
    readonly nowMs: number;
  },
): JsonObject {
  const { snapshot, expiresAtMs, nowMs } = options;
  const version = versionAfter(before?.body.version ?? 0, nowMs);
  const first = timestampBody({ version, expiresAtMs, snapshot });
  if (before === undefined) return first;
  const change = { meta: membersOf(first, 'meta') };
  return { ...nextBody(before.signed, { expiresAtMs, change }), version };
}

/** `snapshot` means both, because timestamp lists snapshot. Keys that root no longer lists make a file due too. */
export function decideRenewal(
  { root, snapshot, timestamp }: TrustedMetadata,
  { nowMs, lives }: { readonly nowMs: number; readonly lives: OnlineLives },
): 'none' | 'timestamp' | 'snapshot' {
  if (snapshot === undefined || timestamp === undefined) return 'none';
  const isDue = (file: SignedFile<Snapshot> | SignedFile<Timestamp>, lifeMs: number): boolean =>
    file.body.expiresAtMs - nowMs <= lifeMs / 2 || !isSigned(file, root.body);
  if (isDue(snapshot, lives.snapshotLifeMs)) return 'snapshot';
  return isDue(timestamp, lives.timestampLifeMs) ? 'timestamp' : 'none';
}

const isSigned = (file: SignedFile<Snapshot> | SignedFile<Timestamp>, root: Root): boolean =>
  meetsThreshold(file, root, root.roles.get(file.body.kind));

function membersOf(body: JsonObject, name: string): JsonObject {
  const value = body[name];
  return isJsonObject(value) ? value : {};
}
