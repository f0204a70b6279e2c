import { parseStrictJson } from '../../shared/codec/validator.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { concatBytes, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';

/** Labelled inputs that nothing learns from: what a federated candidate is gated on. */
export interface HeldOutSet {
  readonly rows: readonly Uint8Array[];
  /** Place of the right class in the bundle's labels. */
  readonly labels: readonly number[];
}

const lineFeed = 10;

/** A header line `{"rowBytes":..,"rows":..}`, then for each row its label (one byte) and its bytes. */
export function writeHeldOutSet({ rows, labels }: HeldOutSet): Uint8Array {
  const rowBytes = rows[0]?.length ?? 0;
  const header = utf8(`${canonicalJson({ rowBytes, rows: rows.length })}\n`);
  const parts = rows.map((row, at) => {
    const label = labels[at] ?? -1;
    invariant(row.length === rowBytes && label >= 0 && label < 256, `row ${at} has no place here`);
    return concatBytes([Uint8Array.of(label), row]);
  });
  return concatBytes([header, ...parts]);
}

export function readHeldOutSet(
  bytes: Uint8Array,
): Result<HeldOutSet, { readonly code: 'held-out-malformed'; readonly message: string }> {
  const headerEnd = bytes.subarray(0, 256).indexOf(lineFeed);
  const header = parseStrictJson(bytes.subarray(0, Math.max(0, headerEnd)));
  if (headerEnd < 0 || !header.ok || typeof header.value !== 'object' || header.value === null) {
    return malformed('no header line');
  }
  const { rowBytes, rows: count } = header.value as Readonly<Record<string, unknown>>;
  const isSized = typeof rowBytes === 'number' && typeof count === 'number';
  if (!isSized || !Number.isSafeInteger(rowBytes) || rowBytes < 1 || count < 1) {
    return malformed('the header names no rows');
  }
  const body = bytes.subarray(headerEnd + 1);
  if (body.length > limits.heldOutBytesMax || body.length !== count * (rowBytes + 1)) {
    return malformed(`${body.length} bytes for ${count} rows of ${rowBytes}`);
  }
  const rows: Uint8Array[] = [];
  const labels: number[] = [];
  for (let at = 0; at < body.length; at += rowBytes + 1) {
    labels.push(body[at] ?? 0);
    rows.push(body.subarray(at + 1, at + 1 + rowBytes));
  }
  return ok({ rows, labels });
}

const malformed = (message: string) => err({ code: 'held-out-malformed' as const, message });
