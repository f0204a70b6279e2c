import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runSkein } from '../../cli/program.ts';
import { TufRepository } from '../support/tuf-repository.ts';

let folder = '';
const said: string[] = [];

const run = (args: readonly string[]): Promise<number> =>
  runSkein(args, { out: (text) => said.push(text), err: (text) => said.push(text) });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-program-'));
  said.length = 0;
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

test('given --help, every noun and every exit code is listed', async () => {
  expect(await run(['--help'])).toBe(0);
  expect(said.join('')).toMatch(/tuf .*refresh/);
  for (const code of ['0 ok', '2 usage', '9 signature', '130 interrupted']) {
    expect(said.join('')).toContain(code);
  }
});

test('given help for one noun, its flags are listed', async () => {
  expect(await run(['help', 'tuf'])).toBe(0);
  expect(said.join('')).toContain('--metadata-dir');
});

test('given an unknown noun or flag, the exit code is 2', async () => {
  expect(await run(['no-such-noun'])).toBe(2);
  expect(await run(['--no-such-flag'])).toBe(2);
});

test('given flags before the verb, as the conformance suite passes them, init trusts the root', async () => {
  const root = join(folder, 'initial.json');
  await writeFile(root, new TufRepository().latest('root') ?? '');
  const metadataDir = join(folder, 'metadata');
  expect(await run(['tuf', '--metadata-dir', metadataDir, 'init', root])).toBe(0);
  expect(await readdir(metadataDir)).toContain('root.json');
});

test.each([
  [['refresh']],
  [['--metadata-dir', tmpdir(), 'refresh']],
  [['--metadata-dir', 'x', 'no-such-verb']],
  [['--metadata-dir', 'x', '--metadata-url', 'http://127.0.0.1:9', 'download']],
  [['--metadata-dir', tmpdir(), 'init', 'no-such-file']],
])('given tuf %j, the exit code is 1 and nothing else', async (args) => {
  expect(await run(['tuf', ...args])).toBe(1);
  expect(said.join('')).not.toBe('');
});
