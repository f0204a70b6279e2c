/**
 * Waits for every promise, and only then throws the first failure. `Promise.all` gives up at once: what the others
 * still write would come after the transaction they belong to was taken back.
 */
export async function allDone<T>(work: readonly Promise<T>[]): Promise<readonly T[]> {
  const settled = await Promise.allSettled(work);
  return settled.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}
