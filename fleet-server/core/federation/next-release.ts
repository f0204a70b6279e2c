import { isOlderVersion } from '../../../shared/core/version-order.ts';

export interface KnownRelease {
  readonly version: string;
  readonly releaseCounter: number;
}

/**
 * Version and counter above every known one. `asked` is taken when it is above them; else the minor number rises: a
 * candidate answers the same question with other weights, and offline-signed releases between keep their own numbers.
 */
export function nextRelease(known: readonly KnownRelease[], asked?: string): KnownRelease {
  let top = '0.0.0';
  let counter = 0;
  for (const { version, releaseCounter } of known) {
    if (isOlderVersion(top, version)) top = version;
    counter = Math.max(counter, releaseCounter);
  }
  const [major = 0, minor = 0] = top.split('.').map(Number);
  const isAskedAbove = asked !== undefined && isOlderVersion(top, asked);
  return {
    version: isAskedAbove ? asked : `${major}.${minor + 1}.0`,
    releaseCounter: counter + 1,
  };
}
