import { setFlagsFromString } from 'node:v8';

/** Commands whose process stays as the supervisor of the one that works. */
const daemons: ReadonlySet<string> = new Set(['agent run', 'serve']);

/**
 * A supervisor hears one heartbeat a second: it needs no compiled code, and the pages of the compilers would stay in
 * its memory (4 MB). Flags count only for what is compiled after them, so this comes before anything else is loaded.
 */
export function keepDaemonSmall(args: readonly string[]): void {
  const [first = '', second = ''] = args;
  if (!daemons.has(first) && !daemons.has(`${first} ${second}`)) return;
  setFlagsFromString('--no-opt');
  setFlagsFromString('--no-sparkplug');
}
