import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCommandTree } from '../../../cli/completion/command-tree.ts';
import { runSkein, wholeProgram } from '../../../cli/program.ts';

const silent = { out: () => undefined, err: () => undefined };
const tree = readCommandTree(await wholeProgram(silent));

async function scriptFor(shell: string): Promise<string> {
  let script = '';
  const out = (text: string): void => {
    script += text;
  };
  expect(await runSkein(['completion', shell], { ...silent, out })).toBe(0);
  return script;
}

const isHere = (shell: string): boolean => spawnSync(shell, ['--version']).error === undefined;
const scripts = { bash: '', zsh: '', fish: '' };
let folder = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'skein-completion-'));
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    scripts[shell] = await scriptFor(shell);
    writeFileSync(join(folder, shell), scripts[shell]);
  }
  writeFileSync(join(folder, 'plan.yaml'), '');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What bash offers for the last word, as its line editor would ask: `=` is a word of its own there. */
function offered(line: string): readonly string[] {
  const words = line.split(' ').flatMap((word) => word.split(/(=)/).filter((part) => part !== ''));
  if (line.endsWith(' ') || line.endsWith('=')) words.push('');
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const ask = [
    `source '${join(folder, 'bash')}'`,
    `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}`,
    'complete -p skein >/dev/null && _skein',
    'printf "%s\\n" "${COMPREPLY[@]}"',
  ].join('\n');
  const said = execFileSync('bash', ['--norc', '-u', '-c', ask], { cwd: folder, encoding: 'utf8' });
  return said.split('\n').filter((word) => word !== '');
}

describe.skipIf(!isHere('bash'))('with a real bash', () => {
  test('given nothing yet, every noun is offered', () => {
    const nouns = tree[0]?.verbs.map(({ name }) => name) ?? [];
    expect(nouns.length).toBeGreaterThan(15);
    expect(offered('skein ')).toEqual(expect.arrayContaining(nouns));
  });

  test('given a noun, its verbs are offered, narrowed by what is typed', () => {
    expect(offered('skein federation ')).toEqual(expect.arrayContaining(['start', 'wait']));
    expect(offered('skein rollout re')).toEqual(['resume', 'retry']);
    expect(offered('skein nothing-like-it x')).toEqual([]);
  });

  test('given every place of the program, its verbs and long options are offered', () => {
    for (const { path, verbs, options } of tree) {
      const flags = options.flatMap((option) => option.flags.filter((f) => f.startsWith('--')));
      const words = [...verbs.map(({ name }) => name), ...flags];
      expect(new Set(offered(`${path} `))).toEqual(new Set([...words, ...filesAt(path)]));
    }
  });

  test('given an option that takes one of a few words, those are offered in both spellings', () => {
    expect(offered('skein device list --output ')).toEqual(['table', 'json']);
    expect(offered('skein device list -o j')).toEqual(['json']);
    expect(offered('skein device list --output=')).toEqual(['table', 'json']);
    expect(offered('skein device list --output=j')).toEqual(['json']);
    expect(offered('skein rollout wait ID --for pa')).toEqual(['paused']);
  });

  test('given an option before the verb, its value is no verb', () => {
    expect(offered('skein rollout --fleet list wa')).toEqual(['wait']);
    expect(offered('skein rollout --fleet=list wa')).toEqual(['wait']);
  });

  test('given an option that takes a file, files are offered; given one that takes a text, nothing', () => {
    expect(offered('skein rollout create --file p')).toEqual(['plan.yaml']);
    expect(offered('skein device list --where ')).toEqual([]);
  });
});

/** Where a place takes files, what lies in the folder is offered beside its words. */
const filesAt = (path: string): readonly string[] =>
  tree.find((node) => node.path === path)?.takesFiles === true
    ? ['bash', 'fish', 'plan.yaml', 'zsh']
    : [];

describe.each(['zsh', 'fish'] as const)('the script for %s', (shell) => {
  test('given the whole program, each place, verb and option stands in it', () => {
    const script = scripts[shell];
    const mark = shell === 'zsh' ? (flag: string) => `'${flag}:` : fishFlag;
    for (const { path, verbs, options } of tree) {
      const lines = script.split('\n').filter((line) => line.includes(path));
      expect([path, lines.length > 0]).toEqual([path, true]);
      const part = shell === 'zsh' ? placeOf(script, path) : lines.join('\n');
      for (const { name } of verbs) {
        expect(part).toContain(shell === 'zsh' ? `'${name}:` : ` -a ${name} `);
      }
      for (const flag of options.flatMap(({ flags }) => flags)) expect(part).toContain(mark(flag));
    }
  });

  test.skipIf(!isHere(shell))('given the real shell, it reads the script', () => {
    const read = spawnSync(shell, ['-n', join(folder, shell)], { encoding: 'utf8' });
    expect([read.status, read.stderr]).toEqual([0, '']);
  });
});

const fishFlag = (flag: string): string =>
  flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;

/** zsh's arm of one place: from its name to the end of the arm. */
function placeOf(script: string, path: string): string {
  const from = script.indexOf(`    '${path}')\n`);
  return from < 0 ? '' : script.slice(from, script.indexOf('      ;;', from));
}

test('given a shell nobody wrote a script for, the exit code is 2', async () => {
  expect(await runSkein(['completion', 'tcsh'], silent)).toBe(2);
  expect(await runSkein(['completion'], silent)).toBe(2);
});
