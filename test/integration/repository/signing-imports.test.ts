import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';

/** Packages and node modules that a file pulls in when it is loaded; `import()` and types do not count. */
function loadedBy(entry: string, seen = new Set<string>()): ReadonlySet<string> {
  const packages = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    expect(existsSync(path), path).toBe(true);
    const text = readFileSync(path, 'utf8');
    const statements = text.matchAll(/^(?:import|export)\b(?! type)[^;]*?from '([^']+)';/gms);
    for (const [statement, from = ''] of statements) {
      if (/^import \{\s*(type \w+,?\s*)+\}/.test(statement)) continue;
      if (from.startsWith('.')) visit(resolve(dirname(path), from));
      else packages.add(from);
    }
  };
  visit(entry);
  return packages;
}

const house = join(import.meta.dirname, '..', '..', '..');

test('when bundles are signed, no native and no network package is loaded', () => {
  const loaded = loadedBy(join(house, 'cli/bundle/command.ts'));
  const harmless = new Set([
    ...['ajv/dist/2020.js', 'commander', 'tweetnacl'],
    ...['@tufjs/canonical-json', '@tufjs/models'],
    ...['node:crypto', 'node:fs', 'node:fs/promises', 'node:path', 'node:readline', 'node:stream'],
  ]);
  expect([...loaded].filter((name) => !harmless.has(name))).toEqual([]);
  expect(loaded.has('tweetnacl')).toBe(true);
});

test('when a bundle is built, the walk sees the native runtime: it can fail', () => {
  expect(loadedBy(join(house, 'cli/bundle/build-bundle.ts')).has('onnxruntime-node')).toBe(true);
});
