import type { BundleConfig, BundleVariant } from '../../../shared/contracts/bundle-config.ts';
import type { Facts } from '../../../shared/contracts/reported.ts';
import { isOlderVersion } from '../../../shared/core/version-order.ts';

type RuntimeRange = NonNullable<BundleVariant['constraints']['runtime']>;

/**
 * The first variant, in the order the bundle prefers, whose constraints this device meets by its own facts: the
 * execution provider, the processor's features, the memory and the version of the inference runtime. `undefined` where
 * none fits.
 */
export function chooseVariant(
  { variants }: Pick<BundleConfig, 'variants'>,
  facts: Facts,
): BundleVariant | undefined {
  const providers = namesIn(facts['providers'] ?? 'cpu');
  const features = namesIn(facts['cpu.features'] ?? '');
  const memoryBytes = Number(facts['memory.bytes'] ?? Number.MAX_SAFE_INTEGER);
  const version = /^\d+[.]\d+[.]\d+/.exec(String(facts['runtime.version']))?.[0];
  return variants.find(
    ({ constraints: { provider, cpuFeatures, memoryBytesMax, runtime } }) =>
      providers.has(provider) &&
      cpuFeatures.every((feature) => features.has(feature)) &&
      memoryBytesMax <= memoryBytes &&
      (runtime === undefined || isWithin(version, runtime)),
  );
}

/** A version that is not known is in no range; a build before a release counts as that release. */
function isWithin(version: string | undefined, { min, max }: RuntimeRange): boolean {
  if (version === undefined) return false;
  if (min !== undefined && isOlderVersion(version, min)) return false;
  return max === undefined || !isOlderVersion(max, version);
}

const namesIn = (list: Facts[string]): ReadonlySet<string> => new Set(String(list).split(','));
