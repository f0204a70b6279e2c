import { limits } from '../../shared/contracts/limits.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Result } from '../../shared/core/result.ts';
import type { TopLevelRole } from '../../shared/trust/tuf/metadata.ts';
import { remoteMetadataName } from '../../shared/trust/tuf/metadata-name.ts';
import type { MetadataSource } from '../../shared/trust/tuf/metadata-source.ts';
import { parseMetadata } from '../../shared/trust/tuf/parse-metadata.ts';
import { type Finding, failed, warning, well } from './finding.ts';

/** When the newest published file of a role runs out. */
export interface RoleExpiry {
  readonly role: TopLevelRole;
  readonly version: number;
  readonly expiresAtMs: number;
}

const dayMs = 86_400_000;

/**
 * Offline roles need people, so they are announced 30, 7 and 1 days ahead; the server renews its own at half of their
 * life, so one that is past three quarters of it was not renewed.
 */
function noticeOf(
  check: string,
  { role, leftMs, message }: { role: TopLevelRole; leftMs: number; message: string },
): Finding | undefined {
  if (role === 'snapshot' || role === 'timestamp') {
    const lifeMs = role === 'snapshot' ? limits.snapshotLifeMs : limits.timestampLifeMs;
    return leftMs <= lifeMs / 4 ? warning(check, 'tuf-expires-soon', message) : undefined;
  }
  if (leftMs <= limits.doctorExpiryDayMs) return failed(check, 'tuf-expires-within-day', message);
  if (leftMs <= limits.doctorExpiryWeekMs)
    return warning(check, 'tuf-expires-within-week', message);
  return leftMs <= limits.doctorExpiryMs ? warning(check, 'tuf-expires-soon', message) : undefined;
}

/** Freshness alone: signatures are for those who trust a root. */
export function checkExpiry(
  { role, version, expiresAtMs }: RoleExpiry,
  nowMs: number,
  options: { readonly isCopy: boolean },
): Finding {
  const check = `trust ${role}`;
  const leftMs = expiresAtMs - nowMs;
  const until = new Date(expiresAtMs).toISOString();
  if (leftMs <= 0) {
    const message = `version ${version} expired at ${until}`;
    // A device with an old copy fetches a fresh one at its next contact, and runs on meanwhile.
    return options.isCopy
      ? warning(check, `tuf-expired-${role}`, `the local copy, ${message}`)
      : failed(check, `tuf-expired-${role}`, message);
  }
  const left = leftMs < 2 * dayMs ? `${Math.floor(leftMs / 3_600_000)} h` : `${days(leftMs)} days`;
  const message = `version ${version} is good for ${left}, until ${until}`;
  // The repository's own files are what somebody has to sign; a copy is renewed at the next contact.
  const notice = options.isCopy ? undefined : noticeOf(check, { role, leftMs, message });
  return notice ?? well(check, message);
}

const days = (ms: number): number => Math.floor(ms / dayMs);

/**
 * The newest files that a repository serves: root by walking its versions up, the rest by what timestamp and snapshot
 * name. Throws `tuf-missing-metadata`, `tuf-malformed-metadata` and what fetching throws.
 */
export async function readExpiries(source: MetadataSource): Promise<readonly RoleExpiry[]> {
  const timestamp = await read(source, 'timestamp', undefined);
  const snapshot = await read(source, 'snapshot', timestamp.snapshot.version);
  const version = snapshot.meta.get('targets.json')?.version ?? 1;
  const targets = await read(source, 'targets', version);
  const root = await newestRoot(source);
  return [root, targets, snapshot, timestamp].map((body) => ({
    ...{ role: body.kind, version: body.version, expiresAtMs: body.expiresAtMs },
  }));
}

async function newestRoot(source: MetadataSource) {
  let newest = await read(source, 'root', 1);
  for (let version = 2; version <= limits.tufRootRotationsMax; version += 1) {
    const name = remoteMetadataName('root', version);
    const bytes = await source.fetch(name, { bytesMax: limits.tufRootBytesMax });
    if (bytes === undefined) break;
    newest = bodyOf(parseMetadata('root', bytes));
  }
  return newest;
}

async function read<K extends TopLevelRole>(
  source: MetadataSource,
  role: K,
  version: number | undefined,
) {
  const name = remoteMetadataName(role, version);
  const bytes = await source.fetch(name, { bytesMax: limits.tufTargetsBytesMax });
  if (bytes === undefined) throw new OperatingError('tuf-missing-metadata', `${name} is not there`);
  return bodyOf(parseMetadata(role, bytes));
}

function bodyOf<B>(
  parsed: Result<{ readonly body: B }, { readonly code: string; readonly message: string }>,
): B {
  if (parsed.ok) return parsed.value.body;
  throw new OperatingError(parsed.error.code, parsed.error.message);
}

/** The trusted copies in a device's state folder; roles it has none of are left out. */
export async function readCopies(
  readRole: (role: TopLevelRole) => Promise<Uint8Array | undefined>,
): Promise<readonly RoleExpiry[]> {
  const copies: RoleExpiry[] = [];
  for (const role of ['root', 'targets', 'snapshot', 'timestamp'] as const) {
    const bytes = await readRole(role);
    if (bytes === undefined) continue;
    const { version, expiresAtMs } = bodyOf(parseMetadata(role, bytes));
    copies.push({ role, version, expiresAtMs });
  }
  return copies;
}
