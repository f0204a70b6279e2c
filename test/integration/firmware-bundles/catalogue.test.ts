import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  labelOf,
  packageOf,
  readFarFolder,
  readPackageTree,
} from '../../../firmware-bundles/zoo/filetype/catalogue.ts';

let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'catalogue-'));
  const files = {
    'a/index.js': 'export const a = 1;',
    'a/same.js': 'export const a = 1;',
    'a/esm.mjs': 'export const b = 2;',
    'a/types.d.ts': 'export declare const a: number;',
    'a/README': 'no extension',
    'a/empty.js': '',
    'a/node_modules/@s/b/data.JSON': '{}',
    '.bin/tool.js': 'a tool keeps this',
    '@s/c/notes.md': '# notes',
  };
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  symlinkSync(join(root, 'a/index.js'), join(root, 'a/link.js'));
});
afterAll(() => rmSync(root, { recursive: true }));

describe('readPackageTree', () => {
  it('lists labelled files once, without links, empty files and what tools keep', () => {
    const rows = readPackageTree(root).map((file) => [file.path, file.package, file.label]);
    expect(rows).toEqual([
      ['@s/c/notes.md', '@s/c', 'md'],
      ['a/esm.mjs', 'a', 'js'],
      ['a/index.js', 'a', 'js'],
      ['a/types.d.ts', 'a', 'ts'],
      ['a/node_modules/@s/b/data.JSON', '@s/b', 'json'],
    ]);
  });
});

describe('readFarFolder', () => {
  it('is absent when the folder is', () => {
    const options = { labels: ['js'], filesMax: 10 };
    expect(readFarFolder(join(root, 'nowhere'), options)).toBeUndefined();
  });

  it('takes only the labels asked for, up to the bound', () => {
    const of = (filesMax: number) =>
      readFarFolder(root, { labels: ['js', 'md'], filesMax })?.map((file) => file.label);
    expect(of(10)).toEqual(['md', 'js', 'js']);
    expect(of(2)).toEqual(['md', 'js']);
  });
});

describe('labelOf', () => {
  it('joins spellings and knows dot files have none', () => {
    const names = ['a.d.ts', 'a.MTS', 'a.cjs', '.npmignore', 'LICENSE', 'a.'];
    expect(names.map(labelOf)).toEqual(['ts', 'ts', 'js', undefined, undefined, undefined]);
  });
});

describe('packageOf', () => {
  it('names the innermost package', () => {
    expect(packageOf('a/b/c.js')).toBe('a');
    expect(packageOf('a/node_modules/@s/b/c.js')).toBe('@s/b');
  });
});
