/**
 * INVARIANTS: at most one change of a path runs at a time, in the order asked for; a failed change does not
 * poison the next; the map holds only paths with work under way. Otherwise two appends of one journal could
 * interleave, and undoing a short write could cut off a neighbour's record.
 */
export class PathLocks {
  readonly #tails = new Map<string, Promise<unknown>>();

  async run<T>(path: string, change: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(path) ?? Promise.resolve();
    const mine = before.then(change, change);
    this.#tails.set(path, mine);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(path) === mine) this.#tails.delete(path);
    }
  }
}
