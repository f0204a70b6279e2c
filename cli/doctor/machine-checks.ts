import { limits } from '../../shared/contracts/limits.ts';
import type { Zones } from '../../shared/ports/zones.ts';
import { type Finding, failed, warning, well } from './finding.ts';

const nodeMin = [20, 19] as const;

export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isEnough = major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1]);
  const needed = nodeMin.join('.');
  return isEnough
    ? well('node', `Node ${version}`)
    : failed('node', 'node-too-old', `Node ${version} is older than ${needed}`);
}

export interface MemoryFacts {
  readonly machineBytes: number;
  /** What this process may use: the machine's, or its cgroup's limit when that is less. */
  readonly usableBytes: number;
}

export function checkMemory({ machineBytes, usableBytes }: MemoryFacts): Finding {
  const limit = usableBytes < machineBytes ? `, limited from ${sized(machineBytes)}` : '';
  const message = `${sized(usableBytes)} of memory${limit}`;
  return usableBytes < limits.doctorMemoryLowBytes
    ? warning('memory', 'memory-low', message)
    : well('memory', message);
}

export function checkDisk(folder: string, freeBytes: number): Finding {
  const message = `${sized(freeBytes)} free at ${folder}`;
  if (freeBytes < limits.diskReserveBytes) return failed('disk', 'disk-full', message);
  return freeBytes < limits.doctorDiskLowBytes
    ? warning('disk', 'disk-full', message)
    : well('disk', message);
}

/** A zone whose offset has to change with the season, and one that never does: rules cut short show here. */
export function checkZones(zones: Zones, systemZone: string): Finding {
  const winterMs = Date.UTC(2026, 0, 15, 12);
  const summerMs = Date.UTC(2026, 6, 15, 12);
  const expected = [
    ['Europe/Oslo', winterMs, 60],
    ['Europe/Oslo', summerMs, 120],
    ['Asia/Kolkata', winterMs, 330],
  ] as const;
  const wrong = expected.find(
    ([zone, atMs, minutes]) => zones.offsetMinutes(zone, atMs) !== minutes,
  );
  if (wrong !== undefined) {
    return failed('zones', 'zones-missing', `the rules of ${wrong[0]} are wrong or not there`);
  }
  return zones.offsetMinutes(systemZone, winterMs) === undefined
    ? warning('zones', 'zones-missing', `this machine's own zone ${systemZone} is not known`)
    : well('zones', `time zone rules are there; this machine is in ${systemZone}`);
}

/** No release is older than this; a clock before it was never set. */
const releaseMs = Date.UTC(2026, 0, 1);

/** `serverMs` is the `Date` of an answer that came at `nowMs`; undefined where no server was asked. */
export function checkClock(nowMs: number, serverMs: number | undefined): Finding {
  if (nowMs < releaseMs) {
    return failed('clock', 'clock-wrong', `${instantOf(nowMs)} is before this release was made`);
  }
  if (serverMs === undefined) return well('clock', `${instantOf(nowMs)}, compared with no server`);
  const skewMs = Math.abs(nowMs - serverMs);
  const message = `${Math.round(skewMs / 1_000)} s from the server's clock`;
  return skewMs > limits.doctorClockSkewMs
    ? failed('clock', 'clock-wrong', message)
    : well('clock', message);
}

const instantOf = (atMs: number): string => new Date(atMs).toISOString();

export function sized(bytes: number): string {
  const mebibytes = bytes / (1024 * 1024);
  return mebibytes < 1024 ? `${Math.floor(mebibytes)} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}
