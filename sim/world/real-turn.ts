/**
 * The one file of the world that touches the real event loop, and the only exemption from the determinism rule.
 * After one turn every microtask and `nextTick` that could run without the outside has run.
 */
export function realTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/**
 * Work of the machine under way that only a real wait could finish: file calls, look-ups, sockets, children. Timers
 * and pipes are left out, for test runners keep their own and lint keeps ours away; Node does not list the jobs of its
 * thread pool (asynchronous crypto, zlib): those show as a stalled run or as two runs of one seed that differ.
 */
const foreignKind = /^(FSReq|CloseReq|FileHandle|GetAddrInfo|GetNameInfo|QueryReq|TCP|UDP|Process)/;

/** Kinds of such work, sorted, one entry for each piece. */
export function foreignWork(): readonly string[] {
  return process
    .getActiveResourcesInfo()
    .filter((kind) => foreignKind.test(kind))
    .sort();
}
