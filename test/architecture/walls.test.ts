import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { house } from './source-tree.ts';

/** For each rule: the file that breaks it and what it imports. Confinements are planted by their package below. */
const breaches: Readonly<Record<string, readonly [file: string, target: string]>> = {
  'no-cycles': ['shared/stats/cycle-a.ts', './cycle-b.ts'],
  'no-orphans': ['shared/stats/orphan.ts', ''],
  'no-unresolved': ['sim/load/unresolved.ts', './nowhere.ts'],
  'only-declared-packages': ['sim/load/undeclared.ts', 'esbuild'],
  'pure-rooms-import-no-package': ['agent/core/impure.ts', 'node:fs'],
  'shared-core-stands-alone': ['shared/core/leaning.ts', '../contracts/target.ts'],
  'contracts-and-codec': ['shared/contracts/leaning.ts', '../stats/target.ts'],
  'stats-are-pure': ['shared/stats/leaning.ts', '../contracts/target.ts'],
  'trust-takes-keys-and-time-as-arguments': ['shared/trust/reaching.ts', 'node:net'],
  'core-decides-alone': ['fleet-server/core/performing.ts', '../runner/target.ts'],
  'core-uses-port-types-only': ['fleet-server/core/calling.ts', '../ports/target.ts'],
  'ports-are-types': ['agent/ports/leaning.ts', '../runner/target.ts'],
  'runners-reach-the-world-through-ports': ['agent/runner/short-cut.ts', '../adapters/target.ts'],
  'adapters-do-not-import-runners': ['agent/adapters/calling-back.ts', '../runner/target.ts'],
  'front-doors-call-runners': ['fleet-server/http/short-cut.ts', '../adapters/target.ts'],
  'agent-and-server-are-strangers': [
    'agent/adapters/spying.ts',
    '../../fleet-server/core/target.ts',
  ],
  'shared-takes-no-side': ['shared/adapters/siding.ts', '../../agent/core/target.ts'],
  'the-supervisor-has-no-packages': ['agent/supervisor/adapters/packed.ts', 'pino'],
  'the-product-never-imports-its-tools': [
    'fleet-server/adapters/playing.ts',
    '../../sim/load/target.ts',
  ],
  'the-workshop-knows-only-shared': [
    'firmware-bundles/pack/asking.ts',
    '../../agent/core/target.ts',
  ],
  'the-world-has-no-adapters': ['sim/world/touching.ts', '../../shared/adapters/target.ts'],
  'nobody-imports-main': ['sim/load/starting.ts', '../../agent/main.ts'],
  'no-attics': ['cli/asking-attic.ts', './utils/target.ts'],
};

const targets = [
  'shared/contracts/target.ts',
  'shared/stats/target.ts',
  'shared/adapters/target.ts',
  'agent/core/target.ts',
  'agent/runner/target.ts',
  'agent/adapters/target.ts',
  'agent/main.ts',
  'fleet-server/core/target.ts',
  'fleet-server/runner/target.ts',
  'fleet-server/ports/target.ts',
  'fleet-server/adapters/target.ts',
  'sim/load/target.ts',
  'cli/utils/target.ts',
];

/** Imports that the house allows; a wall that also stops these would be a closed door. */
const allowed: readonly (readonly [file: string, text: string])[] = [
  ['agent/core/asking.ts', "import type { target } from '../../shared/ports/clock.ts';"],
  ['agent/runner/asking.ts', "import { target } from '../core/target.ts';"],
  ['shared/adapters/http/asking.ts', "import { target } from './target.ts';"],
  ['fleet-server/adapters/sql/asking.ts', "import { target } from 'kysely';"],
  ['sim/world/asking.ts', "import { target } from '../../agent/runner/target.ts';"],
];

interface Wall {
  readonly name: string;
  readonly to: { readonly path?: string | readonly string[] };
}
const walls = (await import(`${house}.dependency-cruiser.mjs`)) as {
  readonly default: { readonly forbidden: readonly Wall[] };
};
const { forbidden } = walls.default;
const rules = forbidden.map(({ name }) => name);
const confinedTo = new Map(
  forbidden
    .filter(({ name }) => name.startsWith('confined-'))
    .map((rule) => [rule.name, packageOf(rule.to)]),
);
let folder = '';
let violations: readonly { readonly rule: { readonly name: string }; readonly from: string }[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skein-walls-'));
  symlinkSync(join(house, 'node_modules'), join(folder, 'node_modules'));
  for (const file of ['package.json', 'tsconfig.json']) cpSync(house + file, join(folder, file));
  for (const file of targets) plant(file, 'export const target = 1;');
  plant('shared/ports/clock.ts', 'export type target = 1;');
  plant('shared/adapters/http/target.ts', 'export const target = 1;');
  plant(
    'shared/stats/cycle-b.ts',
    "import { planted } from './cycle-a.ts';\nexport const target = planted;",
  );
  for (const [file, target] of Object.values(breaches)) plant(file, importOf(target));
  for (const [rule, name] of confinedTo) plant(`sim/load/${rule}.ts`, importOf(name));
  for (const [file, text] of allowed) plant(file, `${text}\nexport const planted: target = 1;`);
  // Packages lie behind a link here; their real path would not look like one.
  plant(
    'walls.mjs',
    `import config from ${JSON.stringify(`${house}.dependency-cruiser.mjs`)};
     export default { ...config, options: { ...config.options, preserveSymlinks: true } };`,
  );
  violations = cruise();
});
afterAll(() => rmSync(folder, { recursive: true }));

test('when the walls are listed, each rule has a planted breach, and no breach lacks its rule', () => {
  expect([...Object.keys(breaches), ...confinedTo.keys()].sort()).toEqual([...rules].sort());
});

test.each(rules)('when %s is broken, the check reports that very file', (rule) => {
  const file = breaches[rule]?.[0] ?? `sim/load/${rule}.ts`;
  const reported = violations.filter((violation) => violation.rule.name === rule);
  expect(reported.map(({ from }) => from)).toContain(file);
});

test('when an import is allowed, no wall but the one against orphans stands in its way', () => {
  const files = new Set(allowed.map(([file]) => file));
  const stopped = violations.filter(
    ({ from, rule }) => files.has(from) && rule.name !== 'no-orphans',
  );
  expect(stopped).toEqual([]);
});

function plant(path: string, text: string): void {
  mkdirSync(join(folder, dirname(path)), { recursive: true });
  writeFileSync(join(folder, path), `${text}\n`);
}

function importOf(target: string): string {
  if (target === '') return 'export const planted = 1;';
  return `import { target } from '${target}';\nexport const planted = target;`;
}

function packageOf({ path }: Wall['to']): string {
  const name = typeof path === 'string' ? /^\^node_modules\/(.+)\/$/.exec(path)?.[1] : undefined;
  return name ?? expect.unreachable();
}

function cruise(): typeof violations {
  const command = `${house}node_modules/dependency-cruiser/bin/dependency-cruise.mjs`;
  const given = ['--config', 'walls.mjs', '--output-type', 'json', '.'];
  const options = { cwd: folder, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 } as const;
  const { stdout, stderr } = spawnSync(process.execPath, [command, ...given], options);
  expect(stderr).toBe('');
  const report = JSON.parse(stdout) as { readonly summary: { violations: typeof violations } };
  return report.summary.violations;
}
