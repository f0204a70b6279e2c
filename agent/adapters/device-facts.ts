import { arch, platform, release, totalmem } from 'node:os';
import type { Facts } from '../../shared/contracts/reported.ts';
import type { InferenceRuntime } from '../../shared/ports/inference-runtime.ts';
import { cpuQuotaThreads } from '../../shared/runtime/cpu-quota.ts';
import { readCpuFeatures } from './cpu-features.ts';

export interface DeviceFactsOptions {
  readonly runtime: InferenceRuntime;
  readonly agentVersion: string;
  /** An agent with its front door open in a data centre, rolled out to like any other. */
  readonly isCloud: boolean;
  readonly inputsMayLeave: boolean;
}

/** What this device is, for targeting: measured or read, never believed. Probing the providers takes seconds. */
export async function readDeviceFacts(options: DeviceFactsOptions): Promise<Facts> {
  const { providers, version } = await options.runtime.probe();
  return {
    'cpu.arch': arch(),
    'cpu.cores': cpuQuotaThreads(),
    'cpu.features': readCpuFeatures().join(','),
    'memory.bytes': memoryBytes(),
    os: platform(),
    'os.release': release().slice(0, 128),
    'node.version': process.versions.node,
    'agent.version': options.agentVersion,
    'runtime.version': version ?? 'unknown',
    providers: providers.join(','),
    cloud: options.isCloud,
    'policy.inputsMayLeave': options.inputsMayLeave,
  };
}

/** Memory this process may use: the machine's, or its container's limit when that is less. */
export function memoryBytes(): number {
  const limit = process.constrainedMemory();
  // Without a limit the answer is 0, or a number larger than any machine.
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}
