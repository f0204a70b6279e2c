import { existsSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { errorCodes } from '../../shared/contracts/error-codes.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { metricNames } from '../../shared/contracts/metric-names.ts';
import { house, isTest, pathsOf, type SourceFile, sources, topRooms } from './source-tree.ts';

/** Each rule takes files and returns breaches, so that every one is also seen to fail on a planted file. */
type Rule = (files: readonly SourceFile[]) => readonly string[];

const files = sources();
const product = (all: readonly SourceFile[]): readonly SourceFile[] =>
  all.filter(({ path }) => !isTest(path));

const linesWith =
  (pattern: RegExp, isMeant: (path: string) => boolean): Rule =>
  (all) =>
    all
      .filter(({ path }) => isMeant(path))
      .flatMap(({ path, text }) =>
        text.split('\n').flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}`] : [])),
      );

const topicLiterals = linesWith(
  /skein\/v1/,
  (path) => !isTest(path) && path !== 'shared/contracts/topics.ts',
);
// Built from parts, or this file would be the first breach.
const unfinishedWords = linesWith(
  new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')),
  () => true,
);
const mocks = linesWith(new RegExp('\\bvi' + '\\.(mock|doMock|fn|spyOn)\\b'), () => true);
/** Code is broken at 100 by the formatter, which leaves comments as they are. */
const longComments = linesWith(/^(?=.{121}) *(\/?\*|\/\/)/u, (path) => !isTest(path));

const vagueNames: Rule = (all) =>
  all
    .map(({ path }) => path)
    .filter((path) => /\/(utils?|helpers?|common|lib|managers?)(\/|\.[a-z]+$)/.test(path));

const badFileNames: Rule = (all) =>
  all.map(({ path }) => path).filter((path) => !/^[a-z0-9./_-]+$/.test(path));

const functionLinesMax = 60;
/** Lines of a function without those of the functions inside it: what a reader holds in mind at once. */
const longFunctions: Rule = (all) =>
  product(all).flatMap(({ path, text }) => {
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
    const breaches: string[] = [];
    /** Returns the lines that functions below `node` take. */
    const visit = (node: ts.Node): number => {
      let nested = 0;
      ts.forEachChild(node, (child) => {
        nested += visit(child);
      });
      if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return nested;
      const first = file.getLineAndCharacterOfPosition(node.getStart(file)).line;
      const lines = file.getLineAndCharacterOfPosition(node.getEnd()).line - first + 1;
      const own = lines - nested;
      if (own > functionLinesMax) breaches.push(`${path}:${first + 1} has ${own} lines`);
      return lines;
    };
    visit(file);
    return breaches;
  });

/** Codes that are thrown or returned as literals: `new OperatingError('x'`, `err({ code: 'x'`. */
const unknownCodes: Rule = (all) =>
  product(all).flatMap(({ path, text }) => {
    const used = [
      ...text.matchAll(/new OperatingError\(\s*'([^']+)'/g),
      ...text.matchAll(/\berr\(\s*\{\s*code:\s*'([^']+)'/g),
    ];
    return used.flatMap(([, code = '']) =>
      Object.hasOwn(errorCodes, code) ? [] : [`${path}: '${code}' is not in the catalogue`],
    );
  });

/** Names of a shared table that no file of the product mentions, the table itself left out. */
const unusedNames = (
  all: readonly SourceFile[],
  table: { readonly home: string; readonly names: readonly string[] },
): readonly string[] => {
  const text = product(all)
    .filter(({ path }) => path !== table.home)
    .map((file) => file.text)
    .join('\n');
  const words = new Set(text.match(/[A-Za-z0-9_-]+/g));
  // A code may be put together: `tuf-threshold-${role}`.
  const prefixes = [...text.matchAll(/`([a-z0-9]+(?:-[a-z0-9]+)*-)\$\{/g)].map(
    ([, prefix]) => prefix,
  );
  return table.names.filter(
    (name) => !words.has(name) && !prefixes.some((prefix = name) => name.startsWith(prefix)),
  );
};

const planted = (path: string, text: string): readonly SourceFile[] => [{ path, text }];

describe('tidy', () => {
  const rules: readonly [string, Rule, readonly SourceFile[]][] = [
    [
      'topics are spelled in one file only',
      topicLiterals,
      planted('agent/runner/a.ts', "const t = 'skein/v1/x';"),
    ],
    [
      'nothing is left for later',
      unfinishedWords,
      planted('agent/a.ts', ['// TO', 'DO: later'].join('')),
    ],
    ['nothing is mocked', mocks, planted('test/a.test.ts', ['vi', "mock('x');"].join('.'))],
    [
      'no comment is longer than 120 characters',
      longComments,
      planted('cli/a.ts', ` * ${'x'.repeat(118)}`),
    ],
    ['no file or folder is named for its vagueness', vagueNames, planted('agent/lib/a.ts', '')],
    ['names are kebab-case', badFileNames, planted('agent/ReadFile.ts', '')],
    [
      `no function is longer than ${functionLinesMax} lines`,
      longFunctions,
      planted('cli/a.ts', `function f() {\n${'x;\n'.repeat(functionLinesMax)}}`),
    ],
    [
      'every code that is thrown or returned stands in the catalogue',
      unknownCodes,
      planted('cli/a.ts', "throw new OperatingError(\n  'no-such-code', 'x');"),
    ],
  ];

  test.each(rules)('when the house is searched, %s', (_title, rule, breach) => {
    expect(rule(breach)).toHaveLength(1);
    expect(rule(files)).toEqual([]);
  });

  test.each([
    ['shared/contracts/error-codes.ts', Object.keys(errorCodes)],
    ['shared/contracts/limits.ts', Object.keys(limits)],
    ['shared/contracts/metric-names.ts', Object.keys(metricNames)],
  ])('when %s names something, the product uses it', (home, names) => {
    expect(unusedNames(files, { home, names: ['surely-unused-name'] })).toHaveLength(1);
    expect(unusedNames(files, { home, names })).toEqual([]);
  });

  test.each(topRooms)('when a newcomer opens %s, a README of at most 30 lines is there', (room) => {
    const readme = `${house}${room}/README.md`;
    expect(existsSync(readme)).toBe(true);
    const lines = readFileSync(readme, 'utf8').trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(30);
    expect(lines.filter((line) => line.startsWith('# '))).toHaveLength(1);
    expect(pathsOf(room)).toContain(`${room}/README.md`);
  });
});
