export interface KnownRelease {
  readonly version: string;
  readonly releaseCounter: number;
}

/**
 * Version and counter above every known one. The minor number rises: a candidate answers the same question with other
 * weights, and the offline-signed releases between keep their own numbers.
 */
export function nextRelease(known: readonly KnownRelease[]): KnownRelease {
  let top: readonly [number, number] = [0, 0];
  let counter = 0;
  for (const { version, releaseCounter } of known) {
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major > top[0] || (major === top[0] && minor > top[1])) top = [major, minor];
    counter = Math.max(counter, releaseCounter);
  }
  return { version: `${top[0]}.${top[1] + 1}.0`, releaseCounter: counter + 1 };
}
