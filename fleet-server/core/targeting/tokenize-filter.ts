import type { Span } from './filter-ast.ts';
import { refuseFilter } from './filter-error.ts';

export type FilterToken =
  | { readonly kind: 'word' | 'text'; readonly text: string; readonly span: Span }
  | { readonly kind: 'mark'; readonly text: FilterMark; readonly span: Span }
  | { readonly kind: 'end'; readonly text: ''; readonly span: Span };

const marks = ['<=', '>=', '!=', '=', '<', '>', ':', '~', '(', ')', ','] as const;
export type FilterMark = (typeof marks)[number];

/** Letters of a word that needs no quotes: names, numbers, durations, glob patterns. */
const wordPattern = /[A-Za-z0-9_.+*?/@%-]+/y;

/** Splits the source; the last token is always `end`. Throws `FilterRefusal`. */
export function tokenizeFilter(source: string): readonly FilterToken[] {
  const tokens: FilterToken[] = [];
  let at = 0;
  while (at < source.length) {
    if (/\s/.test(source.charAt(at))) {
      at += 1;
      continue;
    }
    const token = markAt(source, at) ?? wordAt(source, at) ?? textAt(source, at);
    tokens.push(token);
    at = token.span.end;
  }
  tokens.push({ kind: 'end', text: '', span: { start: at, end: at } });
  return tokens;
}

function markAt(source: string, start: number): FilterToken | undefined {
  const text = marks.find((mark) => source.startsWith(mark, start));
  if (text === undefined) return undefined;
  const end = start + text.length;
  // `==` and `&&` are what programmers type first; say what is meant instead of failing one token later.
  if (text === '=' && source.charAt(end) === '=') {
    refuseFilter('filter-syntax', { start, end: end + 1 }, unknownMark('==', '='));
  }
  return { kind: 'mark', text, span: { start, end } };
}

function wordAt(source: string, start: number): FilterToken | undefined {
  wordPattern.lastIndex = start;
  const text = wordPattern.exec(source)?.[0];
  if (text === undefined) return undefined;
  return { kind: 'word', text, span: { start, end: start + text.length } };
}

const escapes = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['\\', '\\'],
  ['"', '"'],
  ["'", "'"],
]);

/** Quoted text, in either kind of quotes; `\n`, `\t`, `\\` and the quotes can be escaped. */
function textAt(source: string, start: number): FilterToken {
  const quote = source.charAt(start);
  if (quote !== '"' && quote !== "'") return refuseCharacter(source, start);
  let text = '';
  for (let at = start + 1; at < source.length; at += 1) {
    const letter = source.charAt(at);
    if (letter === quote) return { kind: 'text', text, span: { start, end: at + 1 } };
    if (letter !== '\\') {
      text += letter;
      continue;
    }
    const escaped = escapes.get(source.charAt(at + 1));
    if (escaped === undefined) {
      const message = 'This escape is not known; write \\\\ for a backslash.';
      return refuseFilter('filter-syntax', { start: at, end: at + 2 }, { message });
    }
    text += escaped;
    at += 1;
  }
  const message = 'The quoted text does not end.';
  return refuseFilter('filter-syntax', { start, end: source.length }, { message });
}

function refuseCharacter(source: string, start: number): never {
  const pair = source.slice(start, start + 2);
  const meant = { '&&': 'and', '||': 'or' }[pair];
  if (meant !== undefined) {
    return refuseFilter('filter-syntax', { start, end: start + 2 }, unknownMark(pair, meant));
  }
  const letter = String.fromCodePoint(source.codePointAt(start) ?? 0);
  const suggestion = letter === '!' ? 'not' : undefined;
  const span = { start, end: start + letter.length };
  return refuseFilter('filter-syntax', span, { ...unknownMark(letter, undefined), suggestion });
}

const unknownMark = (found: string, suggestion: string | undefined) => ({
  message: `${JSON.stringify(found)} is not part of the filter language; quote it if it is text.`,
  suggestion,
});
