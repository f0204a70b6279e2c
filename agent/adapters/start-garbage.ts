/** By then the first sessions are open; what is collected earlier would only be collected less. */
const settledMs = 2_000;
/** Code that ran once is dropped when it was idle over several collections; pages are given back between them. */
const passes = 3;
const pauseMs = 250;

/**
 * Collects what starting has left behind: an agent that idles allocates so little that the engine would not come to it
 * for hours. Does nothing where the process was started without `--expose-gc`.
 */
export function collectStartGarbage(): void {
  for (let pass = 0; pass < passes; pass += 1) {
    setTimeout(() => globalThis.gc?.(), settledMs + pass * pauseMs).unref();
  }
}
