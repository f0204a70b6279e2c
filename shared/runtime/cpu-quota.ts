import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Reads one small text file of the cgroup tree; `undefined` when absent. */
export type ReadText = (path: string) => string | undefined;

/**
 * Threads that this process may keep busy: the cgroup's CPU quota (v2 `cpu.max`, v1 `cpu.cfs_*`), rounded up, and never
 * above the CPUs it may run on. More threads than quota only wait for each other (a throttled thread stalls the run).
 */
export function cpuQuotaThreads(
  readText: ReadText = readSmallFile,
  cpus: number = availableParallelism(),
): number {
  let threads = cpus;
  for (const folder of cgroupFolders(readText)) {
    const quota = quotaOf(folder, readText);
    if (quota !== undefined) threads = Math.min(threads, Math.ceil(quota));
  }
  return Math.max(1, threads);
}

/** Own cgroup and its ancestors, because the tightest of them holds; inside a container the own one is the root. */
function cgroupFolders(readText: ReadText): readonly string[] {
  const folders = ['/sys/fs/cgroup', '/sys/fs/cgroup/cpu'];
  for (const line of (readText('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):\/(.+)$/.exec(line) ?? [];
    const isVersion2 = controllers === '';
    if (path === '' || !(isVersion2 || controllers.split(',').includes('cpu'))) continue;
    let folder = isVersion2 ? '/sys/fs/cgroup' : '/sys/fs/cgroup/cpu';
    for (const part of path.split('/').slice(0, 32)) {
      folder += `/${part}`;
      folders.push(folder);
    }
  }
  return folders;
}

function quotaOf(folder: string, readText: ReadText): number | undefined {
  const unified = readText(`${folder}/cpu.max`)?.trim().split(/\s+/);
  const [quota, period] = unified ?? [
    readText(`${folder}/cpu.cfs_quota_us`)?.trim(),
    readText(`${folder}/cpu.cfs_period_us`)?.trim(),
  ];
  const cpus = Number(quota) / Number(period);
  // `max` (v2) and -1 (v1) mean no quota.
  return Number.isFinite(cpus) && cpus > 0 ? cpus : undefined;
}

function readSmallFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
