/**
 * Rate limit with a burst. Time is an argument in milliseconds of a clock that never goes back.
 * `reserve` may go into debt, so that waiting callers queue up fairly; `tryTake` may not.
 */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(rate: { readonly perSecond: number; readonly burst: number }, nowMs: number) {
    this.#perMs = rate.perSecond / 1000;
    this.#burst = rate.burst;
    this.#tokens = rate.burst;
    this.#atMs = nowMs;
  }

  /** Takes one token and returns how many milliseconds the caller has to wait for it. */
  reserve(nowMs: number): number {
    this.#refill(nowMs);
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs;
  }

  tryTake(nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #refill(nowMs: number): void {
    const gained = Math.max(0, nowMs - this.#atMs) * this.#perMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained);
    this.#atMs = nowMs;
  }
}
