import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';
import { beforeAll, expect, test } from 'vitest';
import { house } from './source-tree.ts';

/** One use of each thing that would make two runs of one seed differ. */
const nondeterminism = [
  'export const a = Date.now();',
  'export const a = new Date();',
  'export const a = new Date(2026, 1, 1);',
  'export const a = Date();',
  'export const a = (date: Date) => date.getHours();',
  'export const a = (date: Date) => date.getTimezoneOffset();',
  'export const a = (date: Date) => date.toDateString();',
  'export const a = (date: Date) => date.toLocaleString();',
  "export const a = (text: string) => text.localeCompare('b');",
  'export const a = new Intl.NumberFormat();',
  'export const a = Math.random();',
  'export const a = Math.pow(2, 3);',
  'export const a = 2 ** 3;',
  'export let a = 2; a **= 3;',
  'setTimeout(() => undefined, 1);',
  'setInterval(() => undefined, 1);',
  'setImmediate(() => undefined);',
  'queueMicrotask(() => undefined);',
  'process.nextTick(() => undefined);',
  'export const a = AbortSignal.timeout(1);',
  'export const a = performance.now();',
  "export const a = fetch('https://a.example');",
  "export const a = process.env['HOME'];",
  'export const a = process.hrtime();',
  'export const a = crypto.randomUUID();',
  'export const a = globalThis.Date;',
  'export const a = new WeakRef({});',
  'export const a = Atomics.wait(new Int32Array(1), 0, 0, 1);',
];

const pureRooms = [
  'agent/core/update',
  'agent/runner',
  'agent/ports',
  'agent/supervisor/core',
  'fleet-server/core/rollout',
  'fleet-server/runner',
  'shared/core',
  'shared/contracts',
  'shared/codec',
  'shared/stats',
  'shared/trust',
  'shared/ports',
  'sim/world',
  'sim/faults',
];

const bans = new Set([
  'no-restricted-globals',
  'no-restricted-properties',
  'no-restricted-syntax',
  'no-restricted-imports',
]);
let eslint: ESLint;

beforeAll(() => {
  eslint = new ESLint({
    cwd: house,
    overrideConfigFile: `${house}eslint.config.mjs`,
    // Planted texts belong to no project; the bans need no types.
    overrideConfig: [{ files: ['**/*.ts'], ...tseslint.configs.disableTypeChecked }] as never,
  });
});

async function bansOn(text: string, path: string): Promise<readonly string[]> {
  const [result] = await eslint.lintText(text, { filePath: house + path });
  const messages = result?.messages ?? expect.unreachable();
  expect(messages.filter(({ fatal }) => fatal === true)).toEqual([]);
  return messages.flatMap(({ ruleId }) => (ruleId !== null && bans.has(ruleId) ? [ruleId] : []));
}

test.each(nondeterminism)('when a pure room says `%s`, lint refuses it', async (text) => {
  expect(await bansOn(text, 'sim/world/planted.ts')).not.toEqual([]);
});

test.each(pureRooms)('when %s reads the clock, lint refuses it', async (room) => {
  expect(await bansOn('export const a = Date.now();', `${room}/planted.ts`)).not.toEqual([]);
});

test.each([
  'shared/adapters/clock/planted.ts',
  'agent/adapters/planted.ts',
  'cli/planted.ts',
  'sim/world/real-turn.ts',
  'sim/world/planted.test.ts',
])('when %s does, lint lets it', async (path) => {
  for (const text of nondeterminism) expect(await bansOn(text, path), text).toEqual([]);
});

test('when a pure room computes with what it was given, lint lets it', async () => {
  const texts = [
    'export const a = (ms: number) => new Date(ms).toISOString();',
    'export const a = Date.UTC(2026, 0, 1) * 2;',
    'export const a = Math.floor(1.5) + Math.imul(2, 3);',
  ];
  for (const text of texts) expect(await bansOn(text, 'sim/world/planted.ts'), text).toEqual([]);
});

test('when trust draws chance or makes keys, lint refuses it; hashing and verifying it lets', async () => {
  const importing = (name: string): Promise<readonly string[]> =>
    bansOn(
      `import { ${name} } from 'node:crypto';\nexport const a = ${name};`,
      'shared/trust/a.ts',
    );
  for (const name of ['randomBytes', 'randomUUID', 'generateKeyPairSync', 'webcrypto']) {
    expect(await importing(name), name).toEqual(['no-restricted-imports']);
  }
  for (const name of ['createHash', 'verify', 'sign']) expect(await importing(name)).toEqual([]);
});
