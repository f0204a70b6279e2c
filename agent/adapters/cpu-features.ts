import { readFileSync } from 'node:fs';
import { type CpuFeature, cpuFeatures } from '../../shared/contracts/cpu-features.ts';

/**
 * What Linux says this processor can do: the `flags` (x86) or `Features` (Arm) of the first processor in the text of
 * `/proc/cpuinfo`. Of a machine with unlike cores that is one kind of them.
 */
export function cpuFeaturesIn(cpuinfo: string): readonly CpuFeature[] {
  const list = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1] ?? '';
  const found = new Set(list.trim().split(/\s+/));
  return cpuFeatures.filter((feature) => found.has(feature));
}

/** Empty where the system does not tell: then no variant that asks for a feature is chosen. */
export function readCpuFeatures(): readonly CpuFeature[] {
  try {
    return cpuFeaturesIn(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return [];
  }
}
