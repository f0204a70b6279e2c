import { type InputDeclaration, inputMisfit } from '../contracts/input-misfit.ts';
import { OperatingError } from '../core/operating-error.ts';
import type { Tensor } from '../ports/inference-runtime.ts';

/**
 * The tensors in the graph's order, once they fit what it declares. The native library would ignore unknown names and
 * read whatever lies behind a short buffer's view. Throws `inference-input-mismatch`.
 */
export function checkInputs(
  declared: readonly InputDeclaration[],
  given: ReadonlyMap<string, Tensor>,
): readonly Tensor[] {
  const misfit = inputMisfit(declared, given);
  if (misfit !== undefined) throw new OperatingError('inference-input-mismatch', misfit);
  return declared.flatMap(({ name }) => given.get(name) ?? []);
}
