import type { BundleConfig, BundleVariant } from '../../../shared/contracts/bundle-config.ts';
import type { Facts } from '../../../shared/contracts/reported.ts';

/**
 * The first variant, in the order the bundle prefers, whose constraints this device meets by its own facts: the
 * execution provider, the processor's features and the memory. `undefined` where none fits.
 */
export function chooseVariant(
  { variants }: Pick<BundleConfig, 'variants'>,
  facts: Facts,
): BundleVariant | undefined {
  const providers = namesIn(facts['providers'] ?? 'cpu');
  const features = namesIn(facts['cpu.features'] ?? '');
  const memoryBytes = Number(facts['memory.bytes'] ?? Number.MAX_SAFE_INTEGER);
  return variants.find(
    ({ constraints: { provider, cpuFeatures, memoryBytesMax } }) =>
      providers.has(provider) &&
      cpuFeatures.every((feature) => features.has(feature)) &&
      memoryBytesMax <= memoryBytes,
  );
}

const namesIn = (list: Facts[string]): ReadonlySet<string> => new Set(String(list).split(','));
