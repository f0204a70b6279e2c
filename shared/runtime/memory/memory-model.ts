import type { InputDeclaration } from '../../contracts/input-misfit.ts';
import type { Tensor } from '../../ports/inference-runtime.ts';

/** What a simulated model does with one call. Durations are virtual milliseconds. */
export type MemoryAnswer =
  | {
      readonly kind: 'outputs';
      readonly outputs: ReadonlyMap<string, Tensor>;
      readonly runMs?: number;
    }
  | { readonly kind: 'throws'; readonly message: string }
  | { readonly kind: 'hangs' }
  /** The host dies, as by a fault in native code. */
  | { readonly kind: 'crashes' };

/** A model as a function: seeded, slow, wrong, throwing, hanging or leaking, as its author says. */
export interface MemoryModel {
  readonly inputs: readonly InputDeclaration[];
  readonly outputs: readonly string[];
  readonly loadMs?: number;
  /** Resident bytes after the model has been loaded. */
  readonly residentBytes: number;
  /** Resident bytes that each run leaves behind. */
  readonly leakBytes?: number;
  /** `run` counts this session's runs from 0. */
  answer(inputs: ReadonlyMap<string, Tensor>, run: number): MemoryAnswer;
}
