import { err, ok, type Result } from '../../../shared/core/result.ts';

export interface ClippedDelta {
  /** Trained minus start, scaled to at most the clip norm; in the order given. */
  readonly tensors: readonly Float32Array[];
  /** L2 before clipping. */
  readonly norm: number;
}

/**
 * The whole update is clipped at once (user-level clipping: McMahan et al., 2018, "Learning differentially private
 * recurrent language models", algorithm 1): delta * min(1, clipNorm / |delta|). An update of zeros stays as it is.
 */
export function clipDelta(
  start: readonly Float32Array[],
  trained: readonly Float32Array[],
  clipNorm: number,
): Result<ClippedDelta, 'training-diverged'> {
  const deltas = start.map((tensor, index) => {
    const after = trained[index];
    return tensor.map((value, at) => (after?.[at] ?? NaN) - value);
  });
  let squares = 0;
  for (const delta of deltas) for (const value of delta) squares += value * value;
  const norm = Math.sqrt(squares);
  if (!Number.isFinite(norm)) return err('training-diverged');
  const factor = norm > clipNorm ? clipNorm / norm : 1;
  return ok({
    tensors: factor === 1 ? deltas : deltas.map((delta) => delta.map((value) => value * factor)),
    norm,
  });
}
