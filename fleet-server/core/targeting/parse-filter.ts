import { limits } from '../../../shared/contracts/limits.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import {
  type CompareOp,
  type FilterField,
  type FilterNode,
  type FilterValue,
  fieldText,
  type PlainRoot,
  plainRoots,
  type Span,
} from './filter-ast.ts';
import { type FilterError, FilterRefusal, nearestName, refuseFilter } from './filter-error.ts';
import { parseFilterValue } from './parse-value.ts';
import { type FilterToken, tokenizeFilter } from './tokenize-filter.ts';

/**
 * Parses one filter of the targeting language:
 *
 *     filter := and { "or" and } ;  and := not { "and" not } ;  not := "not" not | "(" filter ")" | test
 *     test   := path ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value | path ":" value | path "~" value
 *             | path [ "not" ] "in" "(" value { "," value } ")"
 *
 * Refusals carry a code, a span for the caret and, where one is near, a suggestion.
 */
export function parseFilter(source: string): Result<FilterNode, FilterError> {
  try {
    if (source.length > limits.filterCharsMax) {
      const message = `A filter has at most ${limits.filterCharsMax} characters.`;
      refuseFilter(
        'filter-too-large',
        { start: limits.filterCharsMax, end: source.length },
        { message },
      );
    }
    const cursor = new Cursor(tokenizeFilter(source));
    const tree = parseJunction(cursor, 'or', 0);
    const rest = cursor.peek();
    if (rest.kind === 'end') return ok(tree);
    const suggestion = rest.kind === 'word' ? nearestName(rest.text, ['and', 'or']) : undefined;
    const message = 'Expected and, or, or the end of the filter.';
    return refuseFilter('filter-syntax', rest.span, { message, suggestion });
  } catch (error) {
    if (error instanceof FilterRefusal) return err(error.refusal);
    throw error;
  }
}

class Cursor {
  readonly #tokens: readonly FilterToken[];
  #at = 0;
  #terms = 0;

  constructor(tokens: readonly FilterToken[]) {
    this.#tokens = tokens;
  }

  peek(): FilterToken {
    return this.#tokens[this.#at] ?? { kind: 'end', text: '', span: { start: 0, end: 0 } };
  }

  next(): FilterToken {
    const token = this.peek();
    this.#at += 1;
    return token;
  }

  /** Takes the keyword or mark when it stands here. Keywords are words in any case. */
  take(text: string): FilterToken | undefined {
    const token = this.peek();
    const matches =
      (token.kind === 'word' && token.text.toLowerCase() === text) ||
      (token.kind === 'mark' && token.text === text);
    return matches ? this.next() : undefined;
  }

  expect(text: string, why: string): FilterToken {
    const taken = this.take(text);
    if (taken !== undefined) return taken;
    return refuseFilter('filter-syntax', this.peek().span, { message: `Expected ${text} ${why}.` });
  }

  countTerm(span: Span): void {
    this.#terms += 1;
    if (this.#terms <= limits.filterTermsMax) return;
    const message = `A filter has at most ${limits.filterTermsMax} values.`;
    refuseFilter('filter-too-large', span, { message });
  }
}

function parseJunction(cursor: Cursor, kind: 'and' | 'or', depth: number): FilterNode {
  const parseItem = (): FilterNode =>
    kind === 'or' ? parseJunction(cursor, 'and', depth) : parseNot(cursor, depth);
  const first = parseItem();
  const items = first.kind === kind ? [...first.items] : [first];
  let last = first;
  while (cursor.take(kind) !== undefined) {
    last = parseItem();
    // One spelling for `a and (b and c)` and `a and b and c`.
    if (last.kind === kind) items.push(...last.items);
    else items.push(last);
  }
  if (last === first) return first;
  return { kind, items, span: { start: first.span.start, end: last.span.end } };
}

function parseNot(cursor: Cursor, depth: number): FilterNode {
  if (depth > limits.filterDepthMax) {
    const message = `Parentheses and not nest at most ${limits.filterDepthMax} deep.`;
    refuseFilter('filter-too-large', cursor.peek().span, { message });
  }
  const not = cursor.take('not');
  if (not !== undefined) {
    const item = parseNot(cursor, depth + 1);
    return { kind: 'not', item, span: { start: not.span.start, end: item.span.end } };
  }
  if (cursor.take('(') !== undefined) {
    const inner = parseJunction(cursor, 'or', depth + 1);
    cursor.expect(')', 'to close the parenthesis');
    return inner;
  }
  return parseTest(cursor);
}

function parseTest(cursor: Cursor): FilterNode {
  const path = cursor.next();
  const field = parseField(path);
  const negated = cursor.take('not');
  if (cursor.take('in') !== undefined) {
    const listed = parseIn(cursor, field, path.span);
    return negated === undefined ? listed : { kind: 'not', item: listed, span: listed.span };
  }
  const mark = cursor.next();
  if (mark.kind !== 'mark' || mark.text === '(' || mark.text === ')' || mark.text === ',') {
    const message = 'Expected one of = != < <= > >= : ~ in after the name.';
    return refuseFilter('filter-syntax', mark.span, { message });
  }
  if (negated !== undefined) {
    const message = 'Only in follows not here; write not before the name.';
    return refuseFilter('filter-syntax', negated.span, { message });
  }
  const token = valueToken(cursor);
  const span = { start: path.span.start, end: token.span.end };
  if (mark.text === ':') return { kind: 'has', field, item: token.text, span };
  demandName(field, path.span);
  if (mark.text === '~') {
    demandText(field, mark.span);
    return { kind: 'glob', field, pattern: token.text, span };
  }
  const value = parseFilterValue(field, token);
  demandOrder(mark.text, value, token.span);
  return { kind: 'compare', field, op: mark.text, value, span };
}

function parseIn(cursor: Cursor, field: FilterField, start: Span): FilterNode {
  demandName(field, start);
  cursor.expect('(', 'after in');
  const values: FilterValue[] = [];
  do values.push(parseFilterValue(field, valueToken(cursor)));
  while (cursor.take(',') !== undefined);
  const close = cursor.expect(')', 'after the last value');
  return { kind: 'in', field, values, span: { start: start.start, end: close.span.end } };
}

function valueToken(cursor: Cursor): FilterToken {
  const token = cursor.next();
  cursor.countTerm(token.span);
  if (token.kind === 'word' || token.kind === 'text') return token;
  return refuseFilter('filter-syntax', token.span, { message: 'Expected a value.' });
}

const namePart = /^[A-Za-z0-9_-]{1,63}$/;

function parseField(token: FilterToken): FilterField {
  if (token.kind !== 'word') {
    const message = 'Expected a name such as device, tags.site or facts.cpu.arch.';
    return refuseFilter('filter-syntax', token.span, { message });
  }
  const [root = '', ...parts] = token.text.split('.');
  if (Object.hasOwn(plainRoots, root)) {
    if (parts.length === 0) return { root: root as PlainRoot, name: null };
    const message = `${root} has no parts.`;
    return refuseFilter('filter-unknown-name', token.span, { message });
  }
  if (root !== 'tags' && root !== 'facts') {
    const roots = [...Object.keys(plainRoots), 'tags', 'facts'];
    const near = nearestName(root, roots);
    const suggestion = near === undefined ? undefined : [near, ...parts].join('.');
    const message = `There is no ${root}; names start with ${roots.join(', ')}.`;
    return refuseFilter('filter-unknown-name', token.span, { message, suggestion });
  }
  if (parts.length === 0) return { root, name: null };
  const tooDeep = root === 'tags' ? parts.length > 1 : parts.length > limits.factPathDepthMax;
  if (tooDeep || !parts.every((part) => namePart.test(part))) {
    const message = 'A tag has one part, a fact a few; parts are letters, digits, _ and -.';
    return refuseFilter('filter-syntax', token.span, { message });
  }
  return { root, name: parts.join('.') };
}

function demandName(field: FilterField, span: Span): void {
  if ((field.root !== 'tags' && field.root !== 'facts') || field.name !== null) return;
  const message = `${field.root} is a map: write ${field.root}.NAME, or ${field.root}:NAME for "has".`;
  refuseFilter('filter-wrong-type', span, { message });
}

function demandText(field: FilterField, span: Span): void {
  if (field.root === 'tags' || field.root === 'facts' || plainRoots[field.root] === 'text') return;
  refuseFilter('filter-wrong-type', span, {
    message: `${fieldText(field)} is no text; ~ matches text.`,
  });
}

function demandOrder(op: CompareOp, value: FilterValue, span: Span): void {
  if (op === '=' || op === '!=' || (value.type !== 'text' && value.type !== 'boolean')) return;
  const message = `${op} compares numbers and times; text has no order here.`;
  refuseFilter('filter-wrong-type', span, { message });
}
