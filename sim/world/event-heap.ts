export interface HeapEvent {
  /** World time, milliseconds since the run began. */
  readonly atMs: number;
  /** Who waits for it, for the report of a run that stalls. */
  readonly label: string;
  readonly run: () => void;
}

interface Entry extends HeapEvent {
  readonly order: number;
  isCancelled: boolean;
}

/**
 * Binary min-heap of events by time; equal times run in the order they were asked for, so that a run
 * depends on its seed alone. Cancelled events stay until they surface: removal in the middle would cost more.
 */
export class EventHeap {
  readonly #entries: Entry[] = [];
  #order = 0;

  /** Returns the way to call the event off; calling it later than the event is fine. */
  push(event: HeapEvent): () => void {
    this.#order += 1;
    const entry: Entry = { ...event, order: this.#order, isCancelled: false };
    this.#entries.push(entry);
    this.#rise(this.#entries.length - 1);
    return () => {
      entry.isCancelled = true;
    };
  }

  peek(): HeapEvent | undefined {
    while (this.#entries[0]?.isCancelled === true) this.#removeFirst();
    return this.#entries[0];
  }

  pop(): HeapEvent | undefined {
    const first = this.peek();
    if (first !== undefined) this.#removeFirst();
    return first;
  }

  /** Events still to come, earliest first. */
  pending(): readonly HeapEvent[] {
    return this.#entries.filter((entry) => !entry.isCancelled).sort(inOrder);
  }

  #removeFirst(): void {
    const last = this.#entries.pop();
    if (last === undefined || this.#entries.length === 0) return;
    this.#entries[0] = last;
    this.#sink(0);
  }

  #rise(start: number): void {
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#swapIfBefore(at, parent)) return;
      at = parent;
    }
  }

  #sink(start: number): void {
    let at = start;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      const smaller = this.#isBefore(right, left) ? right : left;
      if (!this.#swapIfBefore(smaller, at)) return;
      at = smaller;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const first = this.#entries[a];
    const second = this.#entries[b];
    return first !== undefined && second !== undefined && inOrder(first, second) < 0;
  }

  #swapIfBefore(a: number, b: number): boolean {
    const first = this.#entries[a];
    const second = this.#entries[b];
    if (first === undefined || second === undefined || inOrder(first, second) > 0) return false;
    this.#entries[a] = second;
    this.#entries[b] = first;
    return true;
  }
}

const inOrder = (a: Entry, b: Entry): number => a.atMs - b.atMs || a.order - b.order;
