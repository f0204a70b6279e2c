import { limits } from '../../shared/contracts/limits.ts';
import { textOf, utf8 } from '../../shared/core/bytes.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import {
  accountAt,
  type ByteAccount,
  monthOf,
  parseByteAccount,
} from '../core/download/byte-account.ts';

export interface ByteBudgetOptions {
  readonly disk: DeviceDisk;
  readonly clock: Clock;
  /** Such as `state/bytes.json`. */
  readonly path: string;
  /** The owner's monthly cap; undefined counts without limiting. */
  readonly bytesPerMonthMax: number | undefined;
}

const accountBytesMax = 256;

/**
 * The monthly byte account of the device, shared by all downloads. Bytes are charged on disk ahead of use, in steps: a
 * crash over-counts by at most one step and never under-counts.
 */
export class ByteBudget {
  readonly #options: ByteBudgetOptions;
  #account: ByteAccount;
  /** Charged on disk and not used yet. */
  #credit = 0;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: ByteBudgetOptions, account: ByteAccount) {
    this.#options = options;
    this.#account = account;
  }

  static async open(options: ByteBudgetOptions): Promise<ByteBudget> {
    const { disk, path, clock } = options;
    const bytes = await disk.read(path, { bytesMax: accountBytesMax });
    const text = bytes === undefined ? undefined : textOf(bytes);
    const stored = text === undefined ? undefined : parseByteAccount(text);
    const account = stored ?? { month: monthOf(clock.nowMs()), bytes: 0 };
    return new ByteBudget(options, account);
  }

  /** Bytes used this month, as far as the device's clock knows. */
  get usedBytes(): number {
    const current = accountAt(this.#account, this.#options.clock.nowMs());
    return current === this.#account ? current.bytes - this.#credit : current.bytes;
  }

  get capBytes(): number | undefined {
    return this.#options.bytesPerMonthMax;
  }

  get isUsedUp(): boolean {
    const { bytesPerMonthMax } = this.#options;
    return bytesPerMonthMax !== undefined && this.usedBytes >= bytesPerMonthMax;
  }

  /** Counts bytes that arrived; false when the cap does not cover them, which uses it up. */
  charge(bytes: number): Promise<boolean> {
    return this.#inTurn(async () => {
      const current = accountAt(this.#account, this.#options.clock.nowMs());
      if (current !== this.#account) this.#credit = 0;
      this.#account = current;
      if (bytes > this.#credit) await this.#extend(bytes - this.#credit);
      const isCovered = bytes <= this.#credit;
      this.#credit = isCovered ? this.#credit - bytes : 0;
      return isCovered;
    });
  }

  /**
   * Writes the exact sum; called when a download ends. Without a cap the sum is only shown, so that a step too many
   * costs nobody a byte, and what was charged ahead is kept for the next download.
   */
  settle(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#credit === 0 || this.capBytes === undefined) return;
      await this.#write({ ...this.#account, bytes: this.#account.bytes - this.#credit });
      this.#credit = 0;
    });
  }

  async #extend(bytes: number): Promise<void> {
    const cap = this.#options.bytesPerMonthMax ?? Number.MAX_SAFE_INTEGER;
    const left = Math.max(0, cap - this.#account.bytes);
    const step = Math.min(left, Math.max(bytes, limits.byteBudgetStepBytes));
    if (step === 0) return;
    await this.#write({ ...this.#account, bytes: this.#account.bytes + step });
    this.#credit += step;
  }

  async #write(account: ByteAccount): Promise<void> {
    await this.#options.disk.replace(this.#options.path, utf8(JSON.stringify(account)));
    this.#account = account;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work, work);
    this.#turn = result;
    return result;
  }
}
