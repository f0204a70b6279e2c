/**
 * What the workers of this process hold. Threads share one memory and the system counts it by process, so a share can
 * be told only while one of them lives: what the process has grown by since it had none.
 */
class WorkerShare {
  readonly #living = new Set<object>();
  #idleBytes = 0;

  /** Called before the thread starts. */
  enter(worker: object): void {
    if (this.#living.size === 0) this.#idleBytes = process.memoryUsage.rss();
    this.#living.add(worker);
  }

  /** Called when the thread has ended; one that hangs goes on living, and holds what it holds. */
  leave(worker: object): void {
    this.#living.delete(worker);
  }

  /** Bytes of the only worker; `undefined` while several live. */
  residentBytes(): number | undefined {
    if (this.#living.size > 1) return undefined;
    return Math.max(0, process.memoryUsage.rss() - this.#idleBytes);
  }
}

/** There is one, as there is one process. */
export const workerShare = new WorkerShare();
