import type { Command, Option } from 'commander';
import { expect, test } from 'vitest';
import { runSkein, wholeProgram } from '../../../cli/program.ts';
import { leavesOf } from '../../support/command-words.ts';

const silent = { out: () => undefined, err: () => undefined };
const leaves = leavesOf(await wholeProgram(silent));
const paths = leaves.map(({ path }) => path);

/** Run until they are stopped and log instead of answering, or speak a contract of somebody else. */
const answersOtherwise = new Map([
  ['skein agent run', 'a daemon; its log is JSON'],
  ['skein serve', 'a daemon; its log is JSON'],
  ['skein server', 'a daemon; its log is JSON'],
  ['skein demo', 'a picture, and one line of JSON at its end'],
  ['skein completion', 'a script'],
  ['skein tuf init', 'the contract of the conformance suite'],
  ['skein tuf refresh', 'the contract of the conformance suite'],
  ['skein tuf download', 'the contract of the conformance suite'],
]);
/** Events have a verb of their own that follows them. */
const watchedOtherwise = new Map([['skein event list', 'skein event watch']]);

function optionsOf(command: Command): readonly Option[] {
  const above = command.parent === null ? [] : optionsOf(command.parent);
  return [...above, ...command.options];
}
const optionOf = (command: Command, long: string): Option | undefined =>
  optionsOf(command).find((option) => option.long === long);

test.each(leaves)('given $path, it says in a few words what it does', ({ command }) => {
  expect(command.description()).toMatch(/^\S.{5,}[^.]$/);
  for (const option of command.options)
    expect([option.flags, option.description]).not.toContain('');
});

test.each(leaves.filter(({ path }) => !answersOtherwise.has(path)))(
  'given $path, -o takes table and json, and table is the default',
  ({ command }) => {
    const option = optionOf(command, '--output');
    expect(option?.short).toBe('-o');
    expect(option?.argChoices).toEqual(['table', 'json']);
    expect(option?.defaultValue).toBe('table');
  },
);

test.each(leaves.filter(({ path }) => / (list|get|show)$/.test(path)))(
  'given $path, it can be watched',
  ({ path, command }) => {
    const follower = watchedOtherwise.get(path);
    if (follower === undefined) expect(optionOf(command, '--watch')).toBeDefined();
    else expect(paths).toContain(follower);
  },
);

test('given the exceptions of this table, each of them is a real command', () => {
  expect(paths).toEqual(expect.arrayContaining([...answersOtherwise.keys()]));
  expect(paths).toEqual(expect.arrayContaining([...watchedOtherwise.keys()]));
});

/** The suite that calls `skein tuf` knows 0 and 1 only. */
const knowsTwo = leaves.filter(({ path }) => !path.startsWith('skein tuf '));

test.each(knowsTwo)('given $path with a flag nobody knows, it exits with 2', async ({ path }) => {
  const words = path.split(' ').slice(1);
  expect(await runSkein([...words, '--no-such-flag'], silent)).toBe(2);
});

test.each(leaves)('given $path with --help, it exits with 0', async ({ path }) => {
  expect(await runSkein([...path.split(' ').slice(1), '--help'], silent)).toBe(0);
});
