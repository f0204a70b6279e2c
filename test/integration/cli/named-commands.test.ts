import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { wholeProgram } from '../../../cli/program.ts';
import { errorCodes } from '../../../shared/contracts/error-codes.ts';
import { house, pathsOf } from '../../architecture/source-tree.ts';
import { complaintOf, shellWords, unknownWord } from '../../support/command-words.ts';

const silent = { out: () => undefined, err: () => undefined };

interface Named {
  readonly where: string;
  readonly line: string;
}

const documents = ['README.md', ...below('docs'), ...below('deploy')]
  .filter((path) => path.endsWith('.md'))
  .map((path) => ({ path, text: readFileSync(house + path, 'utf8') }));

function below(folder: string): readonly string[] {
  if (!existsSync(house + folder)) return [];
  const entries = readdirSync(house + folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(house.length))
    .sort();
}

const shells = new Set(['', 'sh', 'bash', 'shell', 'console']);
const launched =
  /^(?:\$ )?(?:sudo )?(?:[A-Z_]+=\S+ )*(?:docker [^#]*? )?(?:node \S*skein\.js|npx skein|skein) (.+)$/;

/** Whole command lines in fenced blocks, continued ones joined. */
function fencedLines(text: string): readonly string[] {
  const blocks = [...text.matchAll(/^ *```([a-z]*)[^\n]*\n([\s\S]*?)^ *```/gm)];
  return blocks
    .filter(([, language = '']) => shells.has(language))
    .flatMap(([, , body = '']) => body.replace(/\\\n\s*/g, '').split('\n'))
    .flatMap(commandsOf);
}

/** Each `skein` of one shell line, without comment and redirection. */
const commandsOf = (line: string): readonly string[] =>
  line
    .replace(/\s#.*$/, '')
    .split(/&&|\||;/)
    .map((part) => launched.exec(part.trim())?.[1])
    .filter((rest) => rest !== undefined)
    .map((rest) => rest.replace(/\s[0-9]?>.*$/, ''));

/** `skein server backup, restore` in running text: a noun, its verbs, some options; what is left out is no mistake. */
const inlineCommands = (text: string): readonly string[] =>
  [...text.matchAll(/`skein ([^`]+)`/g)].map(([, rest = '']) => rest.replace(/\s+/g, ' '));

const named = documents.flatMap(({ path, text }): Named[] =>
  fencedLines(text).map((line) => ({ where: path, line })),
);
const mentioned = [
  ...documents.flatMap(({ path, text }): Named[] =>
    inlineCommands(text).map((line) => ({ where: path, line })),
  ),
  ...Object.entries(errorCodes).flatMap(([code, { sentence }]): Named[] =>
    inlineCommands(sentence).map((line) => ({ where: code, line })),
  ),
];

/** What the program itself tells people to type: after `next:`, and line by line in the demo's last words. */
const told = pathsOf('cli')
  .filter((path) => path.endsWith('.ts'))
  .flatMap((path): Named[] => {
    const text = readFileSync(house + path, 'utf8');
    const hints = [...text.matchAll(/(?:next[^`'\n]*: |runs )(skein [^`'\n]+)[`']/g)];
    const lines = path.endsWith('demo/command.ts') ? text.split('\n') : [];
    const typed = [
      ...hints.map(([, hint = '']) => hint),
      ...lines.filter((l) => /^ {2}skein /.test(l)),
    ];
    return typed.flatMap(commandsOf).map((line) => ({
      where: path,
      // What is put in when it runs is some word.
      line: line.replace(/\$\{[^}]*\}/g, 'X').replace(/,? then .*$/, ''),
    }));
  });

const complaints = async (line: string): Promise<string | undefined> =>
  complaintOf(await wholeProgram(silent), shellWords(line));

describe('docs name real commands', () => {
  test('given commands that do not exist any more, they are found', async () => {
    expect(await complaints('rollout wait ROLLOUT --for ever')).toContain('Allowed choices');
    expect(await complaints('rollout wait')).toContain("missing required argument 'rollout'");
    expect(await complaints('rollout dance')).toBeDefined();
    expect(await complaints('agent run')).toContain('--state');
    expect(await complaints('rollout wait ROLLOUT --timeout 5m -o json')).toBeUndefined();
    const program = await wholeProgram(silent);
    expect(unknownWord(program, 'server backup, vanish')).toBe('vanish');
    expect(unknownWord(program, 'server backup --too /x')).toBe('--too');
    expect(unknownWord(program, 'server backup, restore')).toBeUndefined();
  });

  test('given fenced blocks, their lines are read as a shell reads them', () => {
    const block =
      '```sh\n$ skein device list \\\n  --watch  # who\nskein a b | jq .x && FOO=1 skein c d > e\n```';
    expect(fencedLines(block)).toEqual(['device list --watch', 'a b', 'c d']);
  });

  test('given every fenced command of README and docs, the program would run it', async () => {
    for (const { where, line } of named) {
      expect([where, line, await complaints(line)]).toEqual([where, line, undefined]);
    }
  });

  test('given every command in running text or an error sentence, its noun, verbs and options exist', async () => {
    const program = await wholeProgram(silent);
    expect(mentioned.length).toBeGreaterThan(10);
    for (const { where, line } of mentioned) {
      expect([where, line, unknownWord(program, line)]).toEqual([where, line, undefined]);
    }
  });

  test('given what the program tells people to type, the program would run it', async () => {
    expect(told.some(({ where }) => where === 'cli/demo/command.ts')).toBe(true);
    expect(told.length).toBeGreaterThan(10);
    const wrong: string[] = [];
    for (const { where, line } of told) {
      const complaint = await complaints(line);
      if (complaint !== undefined) wrong.push(`${where}: skein ${line}: ${complaint}`);
    }
    expect(wrong).toEqual([]);
  });
});
