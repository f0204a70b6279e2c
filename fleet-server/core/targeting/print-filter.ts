import { unreachable } from '../../../shared/core/invariant.ts';
import { type FilterField, type FilterNode, type FilterValue, fieldText } from './filter-ast.ts';

/**
 * The one spelling of a filter: what approvals bind, audit rows store and people read. Parsing it again gives
 * the same tree (spans aside), and printing that gives the same text.
 */
export function printFilter(node: FilterNode): string {
  switch (node.kind) {
    case 'or':
      return node.items.map(printFilter).join(' or ');
    case 'and':
      return node.items.map((item) => printInside(item, item.kind === 'or')).join(' and ');
    case 'not':
      return `not ${printInside(node.item, node.item.kind === 'or' || node.item.kind === 'and')}`;
    case 'compare':
      return `${fieldText(node.field)} ${node.op} ${printValue(node.field, node.value)}`;
    case 'in': {
      const values = node.values.map((value) => printValue(node.field, value));
      return `${fieldText(node.field)} in (${values.join(', ')})`;
    }
    case 'has':
      return `${fieldText(node.field)}:${printText(node.item)}`;
    case 'glob':
      return `${fieldText(node.field)} ~ ${printText(node.pattern)}`;
    default:
      return unreachable(node);
  }
}

const printInside = (node: FilterNode, needsParentheses: boolean): string =>
  needsParentheses ? `(${printFilter(node)})` : printFilter(node);

function printValue(field: FilterField, value: FilterValue): string {
  switch (value.type) {
    case 'text':
      // On a fact, a bare 5 or true would read back as number or boolean.
      return field.root === 'facts' && !/^[A-Za-z_]/.test(value.text)
        ? quoted(value.text)
        : printText(value.text);
    case 'number':
      return String(value.number);
    case 'boolean':
      return String(value.boolean);
    case 'instant':
      return quoted(new Date(value.atMs).toISOString());
    case 'relative':
      return printOffset(value.offsetMs);
    default:
      return unreachable(value);
  }
}

const reserved = new Set(['and', 'or', 'not', 'in', 'true', 'false', 'now']);

const printText = (text: string): string =>
  /^[A-Za-z0-9_.+*?/@%-]+$/.test(text) && !reserved.has(text.toLowerCase()) ? text : quoted(text);

const quoted = (text: string): string =>
  `"${text.replace(/[\\"\n\t]/g, (letter) => ({ '\n': '\\n', '\t': '\\t' })[letter] ?? `\\${letter}`)}"`;

const units = [
  ['w', 604_800_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

function printOffset(offsetMs: number): string {
  if (offsetMs === 0) return 'now';
  const size = Math.abs(offsetMs);
  // Milliseconds divide everything, so one unit is always found.
  const [unit, ms] = units.find(([, unitMs]) => size % unitMs === 0) ?? ['ms', 1];
  return `now${offsetMs < 0 ? '-' : '+'}${size / ms}${unit}`;
}
