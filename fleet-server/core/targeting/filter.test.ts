import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  CompareOp,
  FilterField,
  FilterNode,
  FilterValue,
  TargetableDevice,
} from './filter-ast.ts';
import { showFilterError } from './filter-error.ts';
import { matchesFilter, matchesGlob } from './match-filter.ts';
import { parseFilter } from './parse-filter.ts';
import { printFilter } from './print-filter.ts';

const nowMs = 1_800_000_000_000;
const oslo: TargetableDevice = {
  device: 'edge-007',
  state: 'accepted',
  zone: 'Europe/Oslo',
  online: true,
  lastSeenMs: nowMs - 60 * 60_000,
  enrolledAtMs: nowMs - 30 * 86_400_000,
  tags: new Map([
    ['site', 'oslo'],
    ['floor', '3'],
  ]),
  facts: new Map<string, string | number | boolean>([
    ['cpu.arch', 'arm64'],
    ['memory.mb', 2048],
    ['gpu', false],
    ['providers', 'cpu,webgpu'],
    ['serial', '0042'],
  ]),
};

const parsed = (source: string): FilterNode => {
  const result = parseFilter(source);
  if (!result.ok) throw new Error(showFilterError(source, result.error));
  return result.value;
};
const meant = (source: string): boolean => matchesFilter(parsed(source), oslo, nowMs);

describe('matchesFilter', () => {
  it.each([
    ['tags.site = oslo', true],
    ['tags.site = "oslo" and facts.cpu.arch = arm64', true],
    ['tags.floor = 3', true],
    ['facts.memory.mb >= 2048', true],
    ['facts.memory.mb < 2048', false],
    ['facts.memory.mb = "2048"', false],
    ['facts.serial = "0042"', true],
    ['facts.serial < 50', false],
    ['facts.gpu < 1', false],
    ['facts.gpu = false', true],
    ['online = true', true],
    ['state = accepted', true],
    ['device ~ edge-0*', true],
    ['device ~ "edge-??"', false],
    ['device in (edge-001, edge-007)', true],
    ['device not in (edge-001, edge-007)', false],
    ['lastSeen < now-2h', false],
    ['lastSeen > now-2h', true],
    ['lastSeen < "2027-01-15T08:00Z"', true],
    ['tags:site', true],
    ['tags:canary', false],
    ['tags.canary:*', false],
    ['facts.providers:webgpu', true],
    ['facts.providers:gpu', false],
    ['not tags:canary and (tags.site = rome or tags.floor = 3)', true],
    ['tags.site = rome and tags.floor = 3 or online = true', true],
    ['tags.site = rome AND (tags.floor = 3 OR online = true)', false],
  ])('says of the device in Oslo that %s is %s', (source, expected) => {
    expect(meant(source)).toBe(expected);
  });

  it('reads a missing field as false, and != as its exact opposite', () => {
    expect(meant('tags.canary = yes')).toBe(false);
    expect(meant('tags.canary != yes')).toBe(true);
    expect(meant('not tags.canary = yes')).toBe(true);
    expect(meant('facts.none < 5')).toBe(false);
    const unseen = { ...oslo, lastSeenMs: null };
    expect(matchesFilter(parsed('lastSeen > now-2h'), unseen, nowMs)).toBe(false);
    expect(matchesFilter(parsed('lastSeen < now-2h'), unseen, nowMs)).toBe(false);
  });

  it('matches globs as a regular expression would, without its worst case', () => {
    const alphabet = fc.constantFrom('a', 'b', '*', '?');
    const pattern = fc.array(alphabet, { maxLength: 8 }).map((letters) => letters.join(''));
    const text = fc.array(fc.constantFrom('a', 'b'), { maxLength: 8 }).map((x) => x.join(''));
    fc.assert(
      fc.property(pattern, text, (glob, subject) => {
        const source = glob.replaceAll('*', '.*').replaceAll('?', '.');
        expect(matchesGlob(glob, subject)).toBe(new RegExp(`^${source}$`).test(subject));
      }),
    );
  });
});

describe('parseFilter', () => {
  it.each([
    ['tag.site = oslo', 'filter-unknown-name', 0, 'tags.site'],
    ['lastseen < now-2h', 'filter-unknown-name', 0, 'lastSeen'],
    ['state = acepted', 'filter-unknown-name', 8, 'accepted'],
    ['lastSeen < 2h', 'filter-wrong-type', 11, 'now-2h'],
    ['online = tru', 'filter-wrong-type', 9, 'true'],
    ['tags.site == oslo', 'filter-syntax', 10, '='],
    ['online = true && state = accepted', 'filter-syntax', 14, 'and'],
    ['online = true ad state = accepted', 'filter-syntax', 14, 'and'],
    ['!online', 'filter-syntax', 0, 'not'],
    ['tags.site = "oslo', 'filter-syntax', 12, undefined],
    ['(online = true', 'filter-syntax', 14, undefined],
    ['online', 'filter-syntax', 6, undefined],
    ['', 'filter-syntax', 0, undefined],
    ['tags = oslo', 'filter-wrong-type', 0, undefined],
    ['tags.site < oslo', 'filter-wrong-type', 12, undefined],
    ['online ~ t*', 'filter-wrong-type', 7, undefined],
    ['device.name = x', 'filter-unknown-name', 0, undefined],
    ['tags.a.b = x', 'filter-syntax', 0, undefined],
    ['facts.a = 1e999', 'filter-wrong-type', 10, undefined],
    ['device not = x', 'filter-syntax', 7, undefined],
    ['device in ()', 'filter-syntax', 11, undefined],
  ])('refuses %j with code, caret and suggestion', (source, code, start, suggestion) => {
    const result = parseFilter(source);
    expect(result.ok ? undefined : result.error).toMatchObject({ code, span: { start } });
    expect(result.ok ? undefined : result.error.suggestion).toBe(suggestion);
  });

  it('refuses what is too deep, too many or too long, whatever it says', () => {
    for (const source of [
      `${'not '.repeat(40)}online = true`,
      `device in (${'a, '.repeat(200)}a)`,
      `device = ${'a'.repeat(4096)}`,
      'lastSeen < now-9999999999999w',
    ]) {
      const result = parseFilter(source);
      expect(result.ok ? undefined : result.error.code).toBe('filter-too-large');
    }
  });

  it('points at the mistake with carets under it', () => {
    const source = 'online = true and tag.site = oslo';
    const result = parseFilter(source);
    expect(result.ok ? '' : showFilterError(source, result.error).split('\n')[1]).toMatch(
      /^ {18}\^{8} There is no tag; .* Did you mean tags\.site\?$/,
    );
  });

  it('answers any text with a tree or a refusal, never with an exception', () => {
    const pieces = [
      'tags.a',
      'not',
      '(',
      ')',
      '=',
      'in',
      ',',
      '"x"',
      'and',
      'now-2h',
      '~',
      '5',
      ':',
    ];
    const source = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.array(fc.constantFrom(...pieces), { maxLength: 20 }).map((words) => words.join(' ')),
    );
    fc.assert(
      fc.property(source, (text) => {
        const result = parseFilter(text);
        if (!result.ok) {
          expect(result.error.span.start).toBeGreaterThanOrEqual(0);
          expect(result.error.span.start).toBeLessThanOrEqual(text.length);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('printFilter', () => {
  it('writes one spelling for filters that mean the same', () => {
    const spellings = [
      '((tags.site="oslo") AND (online=true and device ~ "e*"))',
      'tags.site = oslo and (online = true and device ~ e*)',
    ];
    expect(spellings.map((source) => printFilter(parsed(source)))).toEqual(
      Array(2).fill('tags.site = oslo and online = true and device ~ e*'),
    );
    expect(printFilter(parsed('lastSeen < now-120m'))).toBe('lastSeen < now-2h');
    expect(printFilter(parsed('device not in (a, "b c")'))).toBe('not device in (a, "b c")');
  });

  it('prints any tree so that it parses to the same text and matches the same devices', () => {
    fc.assert(
      fc.property(anyNode, anyDevice, (tree, device) => {
        const text = printFilter(tree);
        const again = parsed(text);
        expect(printFilter(again)).toBe(text);
        expect(matchesFilter(again, device, nowMs)).toBe(matchesFilter(tree, device, nowMs));
      }),
      { numRuns: 1000 },
    );
  });
});

const span = { start: 0, end: 0 };
const anyText = fc.oneof(
  fc.constantFrom(
    'oslo',
    'true',
    '5',
    'and',
    'not',
    '-0',
    'now',
    '',
    'a b',
    '"',
    '\\',
    'x\ny',
    '*',
  ),
  fc.string({ maxLength: 6 }),
);
const textField = fc.constantFrom<FilterField>(
  { root: 'device', name: null },
  { root: 'zone', name: null },
  { root: 'tags', name: 'site' },
  { root: 'tags', name: 'not' },
);
const factField = fc.constantFrom<FilterField>(
  { root: 'facts', name: 'a' },
  { root: 'facts', name: 'cpu.arch' },
);
const textValue = anyText.map((text): FilterValue => ({ type: 'text', text }));
const factValue = fc.oneof(
  textValue,
  fc.boolean().map((boolean): FilterValue => ({ type: 'boolean', boolean })),
);
const numberValue = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .map((number): FilterValue => ({ type: 'number', number: number + 0 }));
const timeValue = fc.oneof(
  fc
    .integer({ min: -1e12, max: 1e12 })
    .map((offsetMs): FilterValue => ({ type: 'relative', offsetMs: offsetMs + 0 })),
  fc.integer({ min: 0, max: 4e12 }).map((atMs): FilterValue => ({ type: 'instant', atMs })),
);
const equality = fc.constantFrom<CompareOp>('=', '!=');
const order = fc.constantFrom<CompareOp>('=', '!=', '<', '<=', '>', '>=');
const compare = (field: fc.Arbitrary<FilterField>, op: fc.Arbitrary<CompareOp>) => ({
  with: (value: fc.Arbitrary<FilterValue>) =>
    fc.record({ kind: fc.constant('compare' as const), field, op, value, span: fc.constant(span) }),
});
const anyLeaf: fc.Arbitrary<FilterNode> = fc.oneof(
  compare(textField, equality).with(textValue),
  compare(factField, equality).with(factValue),
  compare(factField, order).with(numberValue),
  compare(fc.constant({ root: 'lastSeen', name: null }), order).with(timeValue),
  fc.record({
    kind: fc.constant('in' as const),
    field: textField,
    values: fc.array(textValue, { minLength: 1, maxLength: 3 }),
    span: fc.constant(span),
  }),
  fc.record({
    kind: fc.constant('has' as const),
    field: fc.oneof(textField, fc.constant<FilterField>({ root: 'tags', name: null })),
    item: anyText,
    span: fc.constant(span),
  }),
  fc.record({
    kind: fc.constant('glob' as const),
    field: textField,
    pattern: anyText,
    span: fc.constant(span),
  }),
);
const anyNode: fc.Arbitrary<FilterNode> = fc.letrec<{ node: FilterNode }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    anyLeaf,
    fc.record({ kind: fc.constant('not' as const), item: tie('node'), span: fc.constant(span) }),
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      items: fc.array(tie('node'), { minLength: 2, maxLength: 3 }),
      span: fc.constant(span),
    }),
  ),
})).node;
const anyDevice: fc.Arbitrary<TargetableDevice> = fc.record({
  device: anyText,
  state: fc.constant('accepted' as const),
  zone: anyText,
  online: fc.boolean(),
  lastSeenMs: fc.option(fc.integer({ min: 0, max: 4e12 })),
  enrolledAtMs: fc.constant(0),
  tags: anyText.map((text) => new Map([['site', text]])),
  facts: fc
    .oneof(anyText, fc.boolean(), fc.double({ noNaN: true }))
    .map((value) => new Map([['a', value]])),
});
