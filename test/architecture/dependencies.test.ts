import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { house } from './source-tree.ts';

interface Locked {
  readonly version: string;
  readonly hasInstallScript?: boolean;
}

const textOf = (path: string): string => readFileSync(join(house, path), 'utf8');
const { packages } = JSON.parse(textOf('package-lock.json')) as {
  readonly packages: Readonly<Record<string, Locked>>;
};
const locked = Object.entries(packages).filter(([path]) => path !== '');
const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 13);

/** Names whose install script nobody has decided about, and decisions about nothing. */
function undecided(entries: readonly (readonly [string, Locked])[], decided: readonly string[]) {
  const withScript = entries.filter(([, { hasInstallScript }]) => hasInstallScript === true);
  const names = [...new Set(withScript.map(([path]) => nameOf(path)))];
  return {
    scripts: names.filter((name) => !decided.includes(name)),
    decisions: decided.filter((name) => !names.includes(name)),
  };
}

test('when a dependency brings an install script, package.json says whether it may run', () => {
  const { allowScripts } = JSON.parse(textOf('package.json')) as {
    readonly allowScripts: Readonly<Record<string, boolean>>;
  };
  const decided = Object.keys(allowScripts);
  expect(undecided(locked, decided)).toEqual({ scripts: [], decisions: [] });
  expect(decided.filter((name) => allowScripts[name] === true)).toEqual(['better-sqlite3']);
  expect(textOf('.npmrc').split('\n')).toContain('strict-allow-scripts=true');

  const newcomer = ['node_modules/newcomer', { version: '1.0.0', hasInstallScript: true }] as const;
  expect(undecided([...locked, newcomer], [...decided, 'gone'])).toEqual({
    scripts: ['newcomer'],
    decisions: ['gone'],
  });
});

test('when a release is made, its bill of materials names every package of the lock', () => {
  const made = spawnSync('npm', ['run', '--silent', 'sbom'], { cwd: house, encoding: 'utf8' });
  expect(made.status, made.stderr).toBe(0);
  const { bomFormat, components } = JSON.parse(made.stdout) as {
    readonly bomFormat: string;
    readonly components: readonly { readonly name: string; readonly version: string }[];
  };
  expect(bomFormat).toBe('CycloneDX');
  const named = new Set(components.map(({ name, version }) => `${name}@${version}`));
  const names = locked.map(([path, { version }]) => `${nameOf(path)}@${version}`);
  expect(names.length).toBeGreaterThan(100);
  expect(names.filter((name) => !named.has(name))).toEqual([]);
});
