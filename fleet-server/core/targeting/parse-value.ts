import { enrolmentStates } from '../../../shared/contracts/enrolment.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { type FilterField, type FilterValue, fieldText, plainRoots } from './filter-ast.ts';
import { nearestName, refuseFilter } from './filter-error.ts';
import type { FilterToken } from './tokenize-filter.ts';

const numberPattern = /^-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?$/;
const relativePattern = /^now(?:([+-])([0-9]{1,13})(ms|s|m|h|d|w))?$/;
const instantPattern =
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{3})?)?Z)?$/;
const unitMs = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 604_800_000],
]);

/** Types the literal by the field it is compared with. Throws `FilterRefusal`. */
export function parseFilterValue(field: FilterField, token: FilterToken): FilterValue {
  if (field.root === 'tags') return { type: 'text', text: token.text };
  if (field.root === 'facts') return factValue(token);
  const type = plainRoots[field.root];
  if (type === 'instant') return instantValue(field, token);
  if (type === 'boolean') return booleanValue(field, token);
  if (field.root === 'state') checkState(token);
  return { type: 'text', text: token.text };
}

/** Facts are typed by the reporter, so the literal's own spelling decides: `5` is a number, `"5"` a text. */
function factValue(token: FilterToken): FilterValue {
  if (token.kind !== 'word') return { type: 'text', text: token.text };
  if (token.text === 'true' || token.text === 'false') {
    return { type: 'boolean', boolean: token.text === 'true' };
  }
  if (numberPattern.test(token.text)) {
    // Adding zero turns -0 into 0, which prints and compares as one value.
    const number = Number(token.text) + 0;
    if (Number.isFinite(number)) return { type: 'number', number };
    return refuseFilter('filter-wrong-type', token.span, { message: 'This number is too large.' });
  }
  return { type: 'text', text: token.text };
}

function instantValue(field: FilterField, token: FilterToken): FilterValue {
  const relative = token.kind === 'word' ? relativePattern.exec(token.text) : null;
  if (relative !== null) {
    const [, sign, count = '0', unit = 'ms'] = relative;
    const offsetMs = Number(count) * (unitMs.get(unit) ?? 1) * (sign === '-' ? -1 : 1) + 0;
    if (Math.abs(offsetMs) <= limits.filterOffsetMsMax) return { type: 'relative', offsetMs };
    const message = 'This duration is longer than a century.';
    return refuseFilter('filter-too-large', token.span, { message });
  }
  const atMs = instantPattern.test(token.text) ? Date.parse(token.text) : Number.NaN;
  if (Number.isFinite(atMs)) return { type: 'instant', atMs };
  const message = `${fieldText(field)} is compared with now, now-2h, or "2026-01-31T08:00Z".`;
  const bareDuration = /^[0-9]+(ms|s|m|h|d|w)$/.test(token.text);
  const suggestion = bareDuration ? `now-${token.text}` : undefined;
  return refuseFilter('filter-wrong-type', token.span, { message, suggestion });
}

function booleanValue(field: FilterField, token: FilterToken): FilterValue {
  if (token.text === 'true' || token.text === 'false') {
    return { type: 'boolean', boolean: token.text === 'true' };
  }
  const message = `${fieldText(field)} is true or false.`;
  const suggestion = nearestName(token.text, ['true', 'false']);
  return refuseFilter('filter-wrong-type', token.span, { message, suggestion });
}

/** An unknown state would match nothing for ever, in silence. */
function checkState(token: FilterToken): void {
  if (enrolmentStates.some((state) => state === token.text)) return;
  const message = `state is one of ${enrolmentStates.join(', ')}.`;
  const suggestion = nearestName(token.text, enrolmentStates);
  refuseFilter('filter-unknown-name', token.span, { message, suggestion });
}
