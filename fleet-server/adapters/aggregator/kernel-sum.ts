import { decodeUpdate } from '../../../shared/codec/federated-update.ts';
import type { UpdateRefusal } from '../../../shared/contracts/federation.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import { fixedPoint, meanOf, multiplierOf, scaleFor } from '../../core/federation/fixed-point.ts';
import type { AddedUpdate, SumPlan } from '../../ports/aggregator.ts';
import { createSumKernel, type SumKernel } from './sum-kernel.ts';

const { blockElements, updatesPerPartial } = fixedPoint;
const blockBytes = 4 * blockElements;
/** The kernel takes eight values in a step. */
const padded = (count: number): number => Math.ceil(count / 8) * 8;

/**
 * The running sum of one round: 32-bit partial sums in the kernel's memory behind one block of values, moved into exact
 * 64-bit ones before they could overflow. 12 bytes per parameter, however many devices.
 */
export class KernelSum {
  readonly #plan: SumPlan;
  readonly #scale: number;
  readonly #kernel: SumKernel;
  readonly #block: Float32Array;
  readonly #partial: Int32Array;
  readonly #totals: Float64Array;
  #inPartial = 0;
  #votes = 0;

  constructor(plan: SumPlan) {
    this.#plan = plan;
    this.#scale = scaleFor(plan.clipNorm);
    const elements = plan.elements.reduce((sum, count) => sum + count, 0);
    this.#kernel = createSumKernel(blockBytes + 4 * padded(elements));
    this.#block = new Float32Array(this.#kernel.memory, 0, blockElements);
    this.#partial = new Int32Array(this.#kernel.memory, blockBytes, elements);
    this.#totals = new Float64Array(elements);
  }

  add(update: Uint8Array, votes: number): Result<AddedUpdate, UpdateRefusal> {
    const values = decodeUpdate(update, this.#plan);
    if (!values.ok) return values;
    if (this.#inPartial === updatesPerPartial) this.#settle();
    const multiplier = multiplierOf(this.#scale, votes);
    let squares = 0;
    this.#forBlocks(values.value, (sums, end) => {
      squares += this.#kernel.add(0, sums, end, multiplier);
    });
    const norm = Math.sqrt(squares);
    const refusal = refusalOf(norm, this.#plan.clipNorm);
    if (refusal !== undefined) {
      this.#forBlocks(values.value, (sums, end) => this.#kernel.take(0, sums, end, multiplier));
      return err(refusal);
    }
    this.#inPartial += 1;
    this.#votes += votes;
    return ok({ norm });
  }

  mean(): Float32Array {
    this.#settle();
    if (this.#votes === 0) return new Float32Array(this.#totals.length);
    return meanOf(this.#totals, { scale: this.#scale, votes: this.#votes });
  }

  /** The block stays in the processor's cache between the copy and the sum: memory is read once. */
  #forBlocks(values: Float32Array, perform: (sums: number, end: number) => void): void {
    for (let from = 0; from < values.length; from += blockElements) {
      const part = values.subarray(from, from + blockElements);
      this.#block.set(part);
      const filled = padded(part.length);
      this.#block.fill(0, part.length, filled);
      perform(blockBytes + 4 * from, 4 * filled);
    }
  }

  #settle(): void {
    const partial = this.#partial;
    const totals = this.#totals;
    for (let i = 0; i < totals.length; i += 1) totals[i] = (totals[i] ?? 0) + (partial[i] ?? 0);
    partial.fill(0);
    this.#inPartial = 0;
  }
}

/** Why an update of this norm is not counted. The slack is for the device's own rounding. */
export function refusalOf(norm: number, clipNorm: number): UpdateRefusal | undefined {
  if (!Number.isFinite(norm)) {
    return { code: 'update-not-finite', message: 'a value is NaN or infinite' };
  }
  return norm <= clipNorm * (1 + limits.updateNormSlack)
    ? undefined
    : { code: 'update-norm-exceeded', message: `norm ${norm}, at most ${clipNorm} is signed` };
}
