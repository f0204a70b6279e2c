import type { Span } from './filter-ast.ts';

export type FilterErrorCode =
  | 'filter-syntax'
  | 'filter-unknown-name'
  | 'filter-wrong-type'
  | 'filter-too-large';

/** Why a filter was refused, where, and what the person may have meant. */
export interface FilterError {
  readonly code: FilterErrorCode;
  readonly message: string;
  readonly span: Span;
  readonly suggestion?: string;
}

/** Thrown inside tokenizer and parser only, and turned into a `Result` at their one door, `parseFilter`. */
export class FilterRefusal extends Error {
  readonly refusal: FilterError;

  constructor(refusal: FilterError) {
    super(refusal.message);
    this.name = 'FilterRefusal';
    this.refusal = refusal;
  }
}

export function refuseFilter(
  code: FilterErrorCode,
  span: Span,
  text: { readonly message: string; readonly suggestion?: string | undefined },
): never {
  const { message, suggestion } = text;
  throw new FilterRefusal({
    code,
    message,
    span,
    ...(suggestion === undefined ? {} : { suggestion }),
  });
}

/** Columns shown around the mistake; a filter can be longer than a terminal line. */
const caretContext = 60;

/** The source line with carets under the mistake, for terminals and problem details. */
export function showFilterError(source: string, error: FilterError): string {
  const from = Math.max(0, error.span.start - caretContext);
  const to = Math.min(source.length, error.span.start + caretContext);
  const line = source.slice(from, to).replace(/\s/g, ' ');
  const width = Math.max(1, Math.min(error.span.end, to) - error.span.start);
  const carets = `${' '.repeat(error.span.start - from)}${'^'.repeat(width)}`;
  const hint = error.suggestion === undefined ? '' : ` Did you mean ${error.suggestion}?`;
  return `${line}\n${carets} ${error.message}${hint}`;
}

/** The candidate within two edits of `word` (Levenshtein), nearest first, ties in the given order. */
export function nearestName(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestEdits = Math.min(3, Math.max(2, word.length));
  for (const candidate of candidates) {
    const edits = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (edits < bestEdits) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
