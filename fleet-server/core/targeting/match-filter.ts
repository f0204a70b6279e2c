import { unreachable } from '../../../shared/core/invariant.ts';
import type {
  CompareOp,
  FactValue,
  FilterField,
  FilterNode,
  FilterValue,
  TargetableDevice,
} from './filter-ast.ts';

/** Whether the device is meant. Two-valued: a missing field makes each leaf false, and `!=` true. */
export function matchesFilter(node: FilterNode, device: TargetableDevice, nowMs: number): boolean {
  switch (node.kind) {
    case 'and':
      return node.items.every((item) => matchesFilter(item, device, nowMs));
    case 'or':
      return node.items.some((item) => matchesFilter(item, device, nowMs));
    case 'not':
      return !matchesFilter(node.item, device, nowMs);
    case 'in':
      return node.values.some((value) =>
        compares(node.field, { op: '=', value }, { device, nowMs }),
      );
    case 'compare':
      return node.op === '!='
        ? !compares(node.field, { op: '=', value: node.value }, { device, nowMs })
        : compares(node.field, node, { device, nowMs });
    case 'has':
      return has(node.field, node.item, device);
    case 'glob': {
      const text = fieldValue(node.field, device);
      return typeof text === 'string' && matchesGlob(node.pattern, text);
    }
    default:
      return unreachable(node);
  }
}

type Test = { readonly op: CompareOp; readonly value: FilterValue };
type Subject = { readonly device: TargetableDevice; readonly nowMs: number };

function compares(field: FilterField, test: Test, subject: Subject): boolean {
  const actual = fieldValue(field, subject.device);
  const wanted = plainValue(test.value, subject.nowMs);
  if (test.op === '=') return actual === wanted;
  if (typeof actual !== 'number' || typeof wanted !== 'number') return false;
  switch (test.op) {
    case '<':
      return actual < wanted;
    case '<=':
      return actual <= wanted;
    case '>':
      return actual > wanted;
    case '>=':
      return actual >= wanted;
    case '!=':
      return actual !== wanted;
    default:
      return unreachable(test.op);
  }
}

function plainValue(value: FilterValue, nowMs: number): string | number | boolean {
  switch (value.type) {
    case 'text':
      return value.text;
    case 'number':
      return value.number;
    case 'boolean':
      return value.boolean;
    case 'instant':
      return value.atMs;
    case 'relative':
      return nowMs + value.offsetMs;
    default:
      return unreachable(value);
  }
}

/** Undefined when the device does not have the field, and for a whole map. */
function fieldValue(field: FilterField, device: TargetableDevice): FactValue | undefined {
  switch (field.root) {
    case 'tags':
      return field.name === null ? undefined : device.tags.get(field.name);
    case 'facts':
      return field.name === null ? undefined : device.facts.get(field.name);
    case 'lastSeen':
      return device.lastSeenMs ?? undefined;
    case 'enrolledAt':
      return device.enrolledAtMs;
    case 'device':
    case 'state':
    case 'zone':
    case 'online':
      return device[field.root];
    default:
      return unreachable(field);
  }
}

function has(field: FilterField, item: string, device: TargetableDevice): boolean {
  if ((field.root === 'tags' || field.root === 'facts') && field.name === null) {
    const map = device[field.root];
    return item === '*' ? map.size > 0 : map.has(item);
  }
  const actual = fieldValue(field, device);
  if (actual === undefined) return false;
  if (item === '*') return true;
  return String(actual).split(',').includes(item);
}

/** Linear-time wildcard match (no regular expression, so a hostile pattern cannot run for ever). */
export function matchesGlob(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let starAt = -1;
  let starText = 0;
  while (t < text.length) {
    const letter = pattern.charAt(p);
    if (letter === '*') {
      starAt = p;
      starText = t;
      p += 1;
    } else if (p < pattern.length && (letter === '?' || letter === text.charAt(t))) {
      p += 1;
      t += 1;
    } else if (starAt >= 0) {
      starText += 1;
      t = starText;
      p = starAt + 1;
    } else return false;
  }
  while (pattern.charAt(p) === '*') p += 1;
  return p === pattern.length;
}
