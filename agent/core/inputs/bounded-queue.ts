import { Doorbell } from '../../../shared/core/doorbell.ts';

/**
 * Between a world that pushes and a loop that pulls. What does not fit is refused at once, so that whoever sent it
 * can be told. One reader.
 */
export class BoundedQueue<T extends object> {
  readonly #itemsMax: number;
  readonly #bell = new Doorbell();
  readonly #items: T[] = [];
  #isClosed = false;

  constructor(itemsMax: number) {
    this.#itemsMax = itemsMax;
  }

  /** `false` when it is full or closed. */
  offer(item: T): boolean {
    if (this.#isClosed || this.#items.length >= this.#itemsMax) return false;
    this.#items.push(item);
    this.#bell.ring();
    return true;
  }

  /** Nothing more is taken; what waits is still handed out. */
  close(): void {
    this.#isClosed = true;
    this.#bell.ring();
  }

  async *items(): AsyncGenerator<T> {
    for (;;) {
      const next = this.#items.shift();
      if (next !== undefined) yield next;
      else if (this.#isClosed) return;
      else await this.#bell.wait();
    }
  }
}
