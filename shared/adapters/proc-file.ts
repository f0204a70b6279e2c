import { readFileSync } from 'node:fs';

/**
 * Resident bytes of a process, or `undefined` once it has ended. From `VmRSS`, which the kernel gives in KiB whatever
 * its page size; `statm` counts pages, and Node does not tell how large they are.
 */
export function residentBytesOf(pid: number): number | undefined {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(`${pid}/status`))?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/**
 * Start time of a process in clock ticks since boot (proc(5), `stat` field 22), or `undefined` when it has ended.
 * With the pid it names a process for ever; the pid alone is given to another one later.
 */
export function birthOf(pid: number): string | undefined {
  const stat = readProc(`${pid}/stat`);
  // Field 2 is the program's name in parentheses and may hold anything, so count from the last one.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return '';
  }
}
