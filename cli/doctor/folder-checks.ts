import { readJournal } from '../../agent/core/journal/read-journal.ts';
import { blobFolder, blobPath, digestOfName } from '../../agent/core/store/store-path.ts';
import { readDeviceStatus } from '../../agent/runner/device-status.ts';
import { digestOfFile } from '../../agent/runner/file-hash.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import { attempt, type Finding, failed, warning, well } from './finding.ts';
import { sized } from './machine-checks.ts';

export interface PathMode {
  readonly path: string;
  /** Permission bits; undefined when the path is not there. */
  readonly mode: number | undefined;
  readonly kind: 'folder' | 'secret';
}

/** Secrets open to anybody else stop the programs themselves; a folder that others may write is as bad. */
export function checkModes(paths: readonly PathMode[]): Finding {
  const check = 'permissions';
  const there = paths.filter((entry) => entry.mode !== undefined);
  const bitsOf = ({ mode = 0 }: PathMode): string => (mode & 0o777).toString(8).padStart(4, '0');
  const exposed = there.find(({ mode = 0, kind }) => kind === 'secret' && (mode & 0o077) !== 0);
  if (exposed !== undefined) {
    return failed(check, 'key-file-exposed', `${exposed.path} has mode ${bitsOf(exposed)}`);
  }
  const writable = there.find(({ mode = 0 }) => (mode & 0o022) !== 0);
  if (writable !== undefined) {
    return failed(
      check,
      'folder-exposed',
      `others may write ${writable.path}, ${bitsOf(writable)}`,
    );
  }
  const readable = there.find(({ mode = 0 }) => (mode & 0o077) !== 0);
  return readable === undefined
    ? well(check, `${there.length} paths are their owner's alone`)
    : warning(check, 'folder-exposed', `others may read ${readable.path}, ${bitsOf(readable)}`);
}

export function checkEnrolment(state: string, disk: DeviceDisk): Promise<Finding> {
  return attempt('device', 'not-enrolled', async () => {
    const status = await readDeviceStatus(disk);
    if (status === undefined) return failed('device', 'not-enrolled', `${state} holds no device`);
    const { device, fleet, isAdmitted, generation, apps } = status;
    const refused = apps.filter((app) => app.reason !== undefined).map(({ app }) => app);
    const bad = refused.length === 0 ? '' : `, refuses what is wanted of ${refused.join(' and ')}`;
    const admitted = isAdmitted ? `generation ${generation}` : 'never admitted yet';
    return well('device', `${device} of ${fleet}, ${admitted}, ${apps.length} apps${bad}`);
  });
}

const journals = ['update', 'outbox', 'rounds', 'examples'] as const;

/** Only read: the agent may be running. A torn end is what a power cut leaves and loses nothing; damage within does. */
export async function checkJournal(name: string, disk: DeviceDisk): Promise<Finding | undefined> {
  const check = `journal ${name}`;
  const path = `state/${name}.journal`;
  const size = await disk.size(path);
  if (size === undefined) return undefined;
  return attempt(check, 'disk-failed', async () => {
    const bytes = (await disk.read(path, { bytesMax: size })) ?? new Uint8Array();
    const { values, damage } = readJournal(bytes);
    if (damage.kind === 'corrupt') {
      const { atByte, strandedRecords } = damage;
      const message = `${path} is damaged at byte ${atByte}, ${strandedRecords} records lie behind`;
      return failed(check, 'journal-corrupt', message);
    }
    const torn = damage.kind === 'torn' ? `, and a last write of ${damage.lostBytes} bytes` : '';
    const message = `${values.length} records${torn}`;
    const kept = await disk.size(`${path}.corrupt`);
    return kept === undefined
      ? well(check, message)
      : warning(check, 'journal-corrupt', `${message}; a damaged copy was kept beside it`);
  });
}

export async function checkJournals(disk: DeviceDisk): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const name of journals) {
    const finding = await checkJournal(name, disk);
    if (finding !== undefined) findings.push(finding);
  }
  return findings;
}

/** Reads blobs again, up to `bytesMax` in all, and removes none: that is the agent's own work. */
export function checkStore(
  disk: DeviceDisk,
  bytesMax: number = limits.doctorStoreBytesMax,
): Promise<Finding> {
  return attempt('store', 'disk-failed', async () => {
    const rotten: string[] = [];
    let intact = 0;
    let readBytes = 0;
    let left = 0;
    for (const name of await disk.list(blobFolder)) {
      const digest = digestOfName(name);
      if (digest === undefined) continue;
      const size = (await disk.size(blobPath(digest))) ?? 0;
      if (readBytes + size > bytesMax) {
        left += 1;
        continue;
      }
      readBytes += size;
      const found = await digestOfFile(disk, blobPath(digest));
      if (found !== undefined && found !== digest) rotten.push(digest);
      else intact += 1;
    }
    if (rotten.length > 0) {
      const message = `${rotten.length} blobs are not what their names say, first ${rotten[0]}`;
      return failed('store', 'store-damaged', message);
    }
    const rest = left === 0 ? '' : `; ${left} more were not read`;
    return well('store', `${intact} blobs with ${sized(readBytes)} are intact${rest}`);
  });
}
