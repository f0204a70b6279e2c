import { limits } from '../../../shared/contracts/limits.ts';

/**
 * Who belongs to the control of a rollout, for as long as it is believed: each window asks, and the answer costs three
 * queries. Tags and facts that change are seen when the answer is too old.
 */
export class ControlMemo {
  readonly #known = new Map<string, { readonly isControl: boolean; readonly untilMs: number }>();

  get(name: string, nowMs: number): boolean | undefined {
    const known = this.#known.get(name);
    return known === undefined || known.untilMs <= nowMs ? undefined : known.isControl;
  }

  set(name: string, fact: { readonly isControl: boolean; readonly nowMs: number }): void {
    // The oldest answer goes first, whether it is still believed or not.
    this.#known.delete(name);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= limits.controlMemoMax && oldest !== undefined) {
      this.#known.delete(oldest);
    }
    const { isControl, nowMs } = fact;
    this.#known.set(name, { isControl, untilMs: nowMs + limits.controlMemoMs });
  }
}
