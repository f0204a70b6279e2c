import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runSkein } from '../../../cli/program.ts';
import type { RoundRow, RoundView } from '../../../shared/contracts/api/round.ts';
import { federable, heldOutBytes, packSmallParent } from '../../support/federated-world.ts';
import { RoundFleet, roundFleet } from '../../support/round-fleet.ts';

let folder = '';
let fleet: RoundFleet;
let heldOut = '';
const tokens = new Map<string, string>();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-rounds-'));
  fleet = await RoundFleet.open(folder);
  await fleet.publish(await packSmallParent(), federable);
  heldOut = await keep('held-out.bin', heldOutBytes('gate', 40));
  tokens.set('admin', await keep('admin.token', fleet.doors.token));
  tokens.set('stranger', await keep('stranger.token', `skein_admin_${'0'.repeat(64)}`));
  const viewer = join(folder, 'viewer.token');
  const made = await skein(`token create looker --role viewer --for ${roundFleet} --to ${viewer}`);
  expect(made.exitCode).toBe(0);
  tokens.set('viewer', viewer);
});
afterAll(async () => {
  await fleet.close();
  await rm(folder, { recursive: true, force: true });
});

async function keep(name: string, content: string | Uint8Array): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, content, { mode: 0o600 });
  return file;
}

async function skein(line: string, as = 'admin') {
  let out = '';
  let err = '';
  const { origin } = fleet.doors;
  const context = ['--server', origin, '--token-file', tokens.get(as) ?? '', '--fleet', roundFleet];
  const exitCode = await runSkein([...line.split(' '), ...context], {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { exitCode, out, err };
}

const start = (more = '', as = 'admin') =>
  skein(
    `federation start --bundle filetype@1.0.0 --held-out ${heldOut} --devices 4 --target state=accepted -o json${more}`,
    as,
  );
const startRound = async (more = ''): Promise<RoundView> => {
  const { exitCode, out, err } = await start(more);
  expect([exitCode, err]).toEqual([0, expect.stringMatching(/next: skein federation wait rnd-/)]);
  return JSON.parse(out) as RoundView;
};
const exitOf = async (line: string, as = 'admin'): Promise<number> =>
  (await skein(line, as)).exitCode;
/** One round may be open per app: each test ends its own. */
const abandon = (round: string) => skein(`federation abandon ${round} -o json`);

test('given a federable bundle, a round is started, listed, shown, explained and abandoned', async () => {
  const { round, request } = await startRound(' --epochs 3 --soak 5s --waves 50%,100%');
  expect(request).toMatchObject({
    training: { epochs: 3, goalDevices: 4 },
    rollout: { soakMs: 5_000, waves: [{ percent: 50 }, { percent: 100 }] },
  });
  const list = await skein('federation list -o json');
  const { items } = JSON.parse(list.out) as { items: readonly RoundRow[] };
  expect(items.map((item) => item.round)).toContain(round);
  expect((await skein('federation list')).out).toMatch(new RegExp(`^${round} +filetype`, 'm'));
  const shown = await skein(`federation show ${round}`);
  expect(shown.out).toContain('0 of 4 updates counted');
  expect((await skein(`federation explain ${round}`)).out).toContain(round);
  const why = await skein(`federation explain ${round} -o json`);
  expect(JSON.parse(why.out)).toHaveProperty('sentence');
  const ended = await abandon(round);
  expect(JSON.parse(ended.out)).toMatchObject({ round, phase: 'abandoned' });
  const watched = await skein(`federation show ${round} --watch -o json`);
  expect(watched.out.trim().split('\n')).toHaveLength(1);
});

test('given a round that nobody answers, waiting ends with 6; with no patience it is 7; for what is, 0', async () => {
  const { round, phase } = await startRound(' --selection 1h');
  expect(phase).toBe('selecting');
  expect(await exitOf(`federation wait ${round} --timeout 1ms`)).toBe(7);
  expect(await exitOf(`federation wait ${round} --for selecting`)).toBe(0);
  await abandon(round);
  const waited = await skein(`federation wait ${round} -o json`);
  expect([waited.exitCode, (JSON.parse(waited.out) as RoundView).phase]).toEqual([6, 'abandoned']);
  expect(await exitOf(`federation wait ${round} --for abandoned`)).toBe(0);
  const lonely = await startRound(' --selection 200ms');
  expect(await exitOf(`federation wait ${lonely.round} --timeout 50s`)).toBe(6);
  expect((await skein(`federation explain ${lonely.round}`)).out).toContain('round-too-few');
});

test('given a round or a bundle that is not there, the exit code is 3', async () => {
  const none = `rnd-${'0'.repeat(16)}`;
  for (const verb of ['show', 'explain', 'wait', 'abandon']) {
    const line = `federation ${verb} ${none}`;
    expect([line, await exitOf(line)]).toEqual([line, 3]);
  }
  const unknown = `federation start --bundle filetype@9.9.9 --held-out ${heldOut} --devices 4`;
  expect(await exitOf(unknown)).toBe(3);
});

test('given a round that has ended already, abandoning it is a conflict', async () => {
  const { round } = await startRound();
  expect((await abandon(round)).exitCode).toBe(0);
  const again = await abandon(round);
  expect([again.exitCode, JSON.parse(again.out)]).toEqual([
    5,
    expect.objectContaining({ code: 'round-closed' }),
  ]);
});

test.each([
  ['federation start'],
  ['federation start --bundle filetype@1.0.0 --held-out no-such-file --devices 4'],
  ['federation start --bundle filetype@1.0.0 --held-out x --devices many'],
  ['federation start --bundle filetype@1.0.0 --held-out x --devices 4 --learning-rate 0'],
  ['federation show'],
  ['federation show no-round'],
  ['federation wait rnd-0000000000000000 --for ever'],
  ['federation wait rnd-0000000000000000 --timeout soon'],
  ['federation list --nonsense'],
])('given %s, it is a mistake of the command line: 2', async (line) => {
  expect(await exitOf(line)).toBe(2);
});

test('given a viewer, looking is fine and acting exits with 4; a stranger may not look', async () => {
  const { round } = await startRound();
  expect(await exitOf(`federation show ${round}`, 'viewer')).toBe(0);
  expect(await exitOf('federation list', 'viewer')).toBe(0);
  expect(await exitOf(`federation abandon ${round}`, 'viewer')).toBe(4);
  const refused = await start('', 'viewer');
  expect([refused.exitCode, JSON.parse(refused.out)]).toEqual([
    4,
    expect.objectContaining({ code: 'role-insufficient' }),
  ]);
  expect(await exitOf('federation list', 'stranger')).toBe(4);
  await abandon(round);
});
