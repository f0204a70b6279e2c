export interface KnownRelease {
  readonly version: string;
  readonly releaseCounter: number;
}

type Parts = readonly [major: number, minor: number, patch: number];

/**
 * Version and counter above every known one. `asked` is taken when it is above them; else the minor number rises: a
 * candidate answers the same question with other weights, and offline-signed releases between keep their own numbers.
 */
export function nextRelease(known: readonly KnownRelease[], asked?: string): KnownRelease {
  let top: Parts = [0, 0, 0];
  let counter = 0;
  for (const { version, releaseCounter } of known) {
    const parts = partsOf(version);
    if (isAbove(parts, top)) top = parts;
    counter = Math.max(counter, releaseCounter);
  }
  const version =
    asked !== undefined && isAbove(partsOf(asked), top) ? asked : `${top[0]}.${top[1] + 1}.0`;
  return { version, releaseCounter: counter + 1 };
}

function partsOf(version: string): Parts {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  return [major, minor, patch];
}

function isAbove(a: Parts, b: Parts): boolean {
  const differs = a.findIndex((number, at) => number !== b[at]);
  return differs >= 0 && (a[differs] ?? 0) > (b[differs] ?? 0);
}
