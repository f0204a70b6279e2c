import { describe, expect, it } from 'vitest';
import { cpuQuotaThreads } from '../../shared/runtime/cpu-quota.ts';

const threads = (files: Readonly<Record<string, string>>, cpus = 16): number =>
  cpuQuotaThreads((path) => files[path], cpus);

describe('cpuQuotaThreads', () => {
  it('when there is no quota, uses the CPUs of the process', () => {
    expect(threads({})).toBe(16);
    expect(threads({ '/sys/fs/cgroup/cpu.max': 'max 100000\n' })).toBe(16);
    expect(threads({ '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1' })).toBe(16);
  });

  it('when a container has a quota, rounds it up and never passes the CPUs', () => {
    expect(threads({ '/sys/fs/cgroup/cpu.max': '200000 100000\n' })).toBe(2);
    expect(threads({ '/sys/fs/cgroup/cpu.max': '150000 100000\n' })).toBe(2);
    expect(threads({ '/sys/fs/cgroup/cpu.max': '10000 100000\n' })).toBe(1);
    expect(threads({ '/sys/fs/cgroup/cpu.max': '800000 100000\n' }, 4)).toBe(4);
  });

  it('when a service and its slice both have a quota, the tighter one holds', () => {
    expect(
      threads({
        '/proc/self/cgroup': '0::/edge.slice/skein.service\n',
        '/sys/fs/cgroup/edge.slice/cpu.max': '200000 100000',
        '/sys/fs/cgroup/edge.slice/skein.service/cpu.max': '800000 100000',
      }),
    ).toBe(2);
  });

  it('when the system has the first version of cgroups, reads its files', () => {
    expect(
      threads({
        '/proc/self/cgroup': '5:memory:/other\n4:cpu,cpuacct:/skein\n',
        '/sys/fs/cgroup/cpu/skein/cpu.cfs_quota_us': '300000\n',
        '/sys/fs/cgroup/cpu/skein/cpu.cfs_period_us': '100000\n',
      }),
    ).toBe(3);
  });
});
