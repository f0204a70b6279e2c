import { codeOf } from '../../shared/core/operating-error.ts';
import type { Printer } from './printer.ts';

export interface Watched<T> {
  readonly read: () => Promise<T>;
  readonly show: (value: T) => string;
  /** Whether nothing will change any more. */
  readonly isOver?: (value: T) => boolean;
  readonly everyMs?: number;
}

/** Prints whenever it has changed, until it is over or somebody interrupts. A server that restarts is waited for. */
async function watch<T>(print: Printer, watched: Watched<T>): Promise<void> {
  const { read, show, isOver = () => false, everyMs = 1_000 } = watched;
  let before = '';
  for (;;) {
    const value = await readPatiently(read, print);
    if (value !== undefined) {
      const now = JSON.stringify(value);
      if (now !== before) print.line(value, show);
      before = now;
      if (isOver(value)) return;
    }
    await pause(everyMs);
  }
}

/** Answers once, or with `--watch` again whenever it has changed. */
export async function answerOrWatch<T>(
  print: Printer,
  { watch: isWatching = false }: { readonly watch?: boolean },
  watched: Watched<T>,
): Promise<void> {
  if (isWatching) await watch(print, watched);
  else print.answer(await watched.read(), watched.show);
}

/** `undefined` while the server cannot be reached; every other failure ends the command. */
export async function readPatiently<T>(
  read: () => Promise<T>,
  print: Printer,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (codeOf(error) !== 'connect-failed') throw error;
    print.say('the server does not answer; trying again');
    return undefined;
  }
}

export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));
