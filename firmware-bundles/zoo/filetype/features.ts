import {
  type ByteFeatureParameters,
  byteBigramCounts,
  byteFeatureCount,
} from '../../../shared/stats/byte-features.ts';
import type { SparseRows } from '../../train/softmax-regression.ts';

export const filetypeFeatures: ByteFeatureParameters = { prefixBytes: 4096, bigramBuckets: 1024 };

export const filetypeFeatureCount = byteFeatureCount(filetypeFeatures);

export const filetypeCounts = (bytes: Uint8Array): Uint8Array =>
  byteBigramCounts(bytes, filetypeFeatures);

/**
 * What the graph computes from the counts: square roots, scaled to unit length, so that a short and a long
 * file of one kind look alike (Hellinger kernel). Kept sparse, because most pairs never occur.
 */
export function hellingerRows(countRows: readonly Uint8Array[]): SparseRows {
  let entries = 0;
  for (const counts of countRows) for (const count of counts) if (count > 0) entries += 1;
  const starts = new Uint32Array(countRows.length + 1);
  const columns = new Uint16Array(entries);
  const values = new Float32Array(entries);
  let at = 0;
  countRows.forEach((counts, row) => {
    let total = 0;
    for (const count of counts) total += count;
    const scale = total > 0 ? 1 / Math.sqrt(total) : 0;
    counts.forEach((count, column) => {
      if (count === 0) return;
      columns[at] = column;
      values[at] = Math.sqrt(count) * scale;
      at += 1;
    });
    starts[row + 1] = at;
  });
  return { starts, columns, values };
}
