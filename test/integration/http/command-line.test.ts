import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runSkein } from '../../../cli/program.ts';
import { appendAudit } from '../../../fleet-server/runner/append-audit.ts';
import type { RolloutId } from '../../../shared/core/ids.ts';
import { house } from '../../architecture/source-tree.ts';
import { HttpWorld } from '../../support/http-world.ts';
import { device, digest, plant, targetPath } from '../../support/store-nouns.ts';

const program = `${house}dist/cli/skein.js`;
let world: HttpWorld;
let folder: string;
let server: string;
let tokenFile: string;
beforeAll(async () => {
  world = await HttpWorld.open();
  folder = await mkdtemp(join(tmpdir(), 'skein-cli-'));
  await world.app.listen({ host: '127.0.0.1', port: 0 });
  server = `http://127.0.0.1:${(world.app.server.address() as AddressInfo).port}`;
  tokenFile = await keep('admin', world.admin);
  await world.store.transaction(async (tx) => {
    for (const n of [10, 11, 12]) {
      await tx.devices.insert(
        device(`edge-${n}`, { tags: { site: n === 10 ? 'oslo' : 'bergen' } }),
      );
    }
    await tx.devices.insert(device('new-1', { state: 'pending', agentVersion: '1\u001b[31m' }));
    await tx.bundles.insert({
      ...{ fleet: plant, path: targetPath('1.0.0'), name: 'filetype', version: '1.0.0' },
      ...{
        digest: digest('1'),
        status: 'live',
        blobs: [digest('1')],
        publishedAtMs: 0,
        statusSinceMs: 0,
        contentReleasedAtMs: null,
        minAgent: null,
      },
    });
  });
});
afterAll(async () => {
  await world.close();
  await rm(folder, { recursive: true, force: true });
});

async function keep(name: string, token: string): Promise<string> {
  const file = join(folder, `${name}.token`);
  await writeFile(file, `${token}\n`, { mode: 0o600 });
  return file;
}

/** Fields that the tests look at by name. */
interface CommandAnswer {
  readonly items: readonly { readonly claimHash: string }[];
  readonly code: string;
  readonly rollout: RolloutId;
  readonly status: string;
}

async function skein(line: string, change: { readonly tokenFile?: string } = {}) {
  let out = '';
  let err = '';
  const words = line.match(/"[^"]*"|\S+/g) ?? [];
  const context = ['--server', server, '--token-file', change.tokenFile ?? tokenFile];
  const [noun = '', ...rest] = words.map((word) => word.replace(/^"|"$/g, ''));
  const args = [noun, ...rest, ...context, '--fleet', 'plant'];
  const exitCode = await runSkein(args, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { exitCode, out, err, json: () => JSON.parse(out) as CommandAnswer };
}

test('given every noun that lists, its -o json is the answer of the API and nothing else', async () => {
  const lines = ['fleet list', 'claim list', 'device list', 'rollout list', 'token list'];
  for (const line of [...lines, 'audit list', 'event list']) {
    const done = await skein(`${line} -o json`);
    expect([line, done.exitCode, done.err]).toEqual([line, 0, '']);
    expect(Array.isArray(done.json().items)).toBe(true);
    const shown = await skein(line);
    expect([line, shown.exitCode]).toEqual([line, 0]);
  }
});

test('given a failure, -o json is the problem, and the words say what to do', async () => {
  const missing = await skein('device get nobody -o json');
  expect(missing.exitCode).toBe(3);
  expect(missing.json()).toMatchObject({ status: 404, code: 'not-found' });
  expect(missing.err).toMatch(
    /error: there is no device nobody\nhint: .*\ncode: not-found \(request/,
  );
  const broken = await skein('device list --where "tags.site = " -o json');
  expect([broken.exitCode, broken.json().code]).toEqual([2, 'filter-syntax']);
  expect(broken.err).toContain('^');
  expect((await skein('device list --nonsense')).exitCode).toBe(2);
});

test('given no token, a bad one, an exposed one or a low role, the exit code is 4', async () => {
  const bad = await keep('bad', `skein_admin_${'0'.repeat(64)}`);
  expect((await skein('device list', { tokenFile: bad })).exitCode).toBe(4);
  const none = await skein('device list', { tokenFile: join(folder, 'none') });
  expect([none.exitCode, none.err.includes('token-missing')]).toEqual([4, true]);
  const viewer = await keep('viewer', await world.token('viewer'));
  const refused = await skein('device accept new-1', { tokenFile: viewer });
  expect([refused.exitCode, refused.err.includes('role-insufficient')]).toEqual([4, true]);
  await chmod(viewer, 0o644);
  const exposed = await skein('device list', { tokenFile: viewer });
  expect([exposed.exitCode, exposed.err.includes('chmod 600')]).toEqual([1, true]);
});

test('given a server that is not there, or plain HTTP to elsewhere, the token is not sent', async () => {
  const gone = await skein('device list --server http://127.0.0.1:9');
  // The flag stands twice; the last one counts, and that is the world's.
  expect(gone.exitCode).toBe(0);
  let err = '';
  const ask = (url: string) =>
    runSkein(['device', 'list', '--server', url, '--token-file', tokenFile], {
      out: () => undefined,
      err: (text) => {
        err += text;
      },
    });
  expect(await ask('http://127.0.0.1:9')).toBe(1);
  expect(err).toContain('code: connect-failed');
  expect(await ask('http://fleet.example')).toBe(1);
  expect(err).toContain('code: plaintext-refused');
  expect(await ask('http://user:word@127.0.0.1:9')).toBe(2);
});

test('given texts of a device, the terminal gets them as text', async () => {
  const shown = await skein('device list --where "state = pending"');
  expect(shown.out).toContain('1�[31m');
  expect(shown.out).not.toContain('\u001b');
});

test('given a pending device, it is accepted under the key that was named, and tagged', async () => {
  const other = await skein(`device accept new-1 --key ${'0'.repeat(64)}`);
  expect(other.exitCode).toBe(2);
  const done = await skein('device accept new-1 --why "seen at the gate" -o json');
  expect(done.json()).toMatchObject({ device: 'new-1', state: 'accepted' });
  const tagged = await skein('device tag new-1 --tag site=oslo --tag canary= -o json');
  expect(tagged.json()).toMatchObject({ tags: { site: 'oslo', canary: '' } });
  const preview = await skein('device preview "tags:canary" -o json');
  expect(preview.json()).toMatchObject({ count: 1, filter: 'tags:canary' });
});

test('given claims and tokens, secrets are shown once, or land in a file only the owner reads', async () => {
  const made = await skein('claim create --ids edge-* --uses 2 --life 2h --tag site=oslo');
  expect(made.out).toMatch(/^skein\+http:\/\/127\.0\.0\.1:8080\/#claim=/);
  const hash = (await skein('claim list -o json')).json();
  expect((await skein(`claim revoke ${hash.items[0]?.claimHash}`)).exitCode).toBe(0);
  const file = join(folder, 'ci.token');
  const token = await skein(`token create ci --role viewer --for plant --to ${file} -o json`);
  expect(token.out).not.toContain('skein_viewer_');
  expect((await skein('token whoami -o json', { tokenFile: file })).json()).toEqual({
    name: 'ci',
    role: 'viewer',
    fleets: ['plant'],
  });
  expect((await skein(`token create ci2 --role viewer --to ${file}`)).exitCode).toBe(5);
  expect((await skein('token revoke ci')).exitCode).toBe(0);
  expect((await skein('token whoami', { tokenFile: file })).exitCode).toBe(4);
});

test('given a plan file and flags, a rollout is drafted, started, explained, paused and aborted', async () => {
  const plan = join(folder, 'plan.yaml');
  await writeFile(plan, 'target: state = accepted\nsoakMs: 1000\ncomment: from the file\n');
  const made = await skein(
    `rollout create --bundle filetype@1.0.0 --waves 10%,100% --file ${plan} --submit -o json`,
  );
  const { rollout } = made.json();
  expect(made.json()).toMatchObject({
    status: 'running',
    spec: { soakMs: 1000, comment: 'from the file', waves: [{ percent: 10 }, { percent: 100 }] },
  });
  expect(made.err).toContain(`next: skein rollout wait ${rollout}`);
  await world.server.rollouts.turn(plant);
  const why = await skein(`rollout explain ${rollout}`);
  expect(why.out).toContain(`${rollout} is running wave 1`);
  expect((await skein('device explain edge-10')).out).toContain('edge-10 is given');
  expect((await skein(`rollout pause ${rollout} --why lunch -o json`)).json()).toMatchObject({
    status: 'paused',
  });
  expect((await skein(`rollout pause ${rollout}`)).exitCode).toBe(5);
  expect((await skein(`rollout wait ${rollout} --for paused`)).exitCode).toBe(0);
  expect((await skein(`rollout wait ${rollout} --timeout 1ms`)).exitCode).toBe(7);
  expect((await skein(`rollout abort ${rollout} --why enough -o json`)).json()).toMatchObject({
    status: 'aborting',
  });
  const line = 'rollout create --bundle filetype@1.0.0 --override-stop -o json';
  const draft = (await skein(line)).json().rollout;
  await skein(`rollout abort ${draft}`);
  const unhealthy = await skein(`rollout wait ${draft} -o json`);
  expect([unhealthy.exitCode, unhealthy.json().status]).toEqual([6, 'aborted']);
  const watched = await skein(`rollout get ${draft} --watch -o json`);
  expect(watched.out.trim().split('\n')).toHaveLength(1);
  expect((await skein(`rollout events ${rollout}`)).out).toContain('person-decided');
  expect((await skein('rollout create --bundle filetype@9.9.9')).exitCode).toBe(3);
});

test('given a bundle that was aborted before, or an author who approves, policy refuses: 8', async () => {
  const stopped = await skein('rollout create --bundle filetype@1.0.0 --submit -o json');
  expect([stopped.exitCode, stopped.json().code]).toEqual([8, 'digest-stopped']);
  const create = 'rollout create --bundle filetype@1.0.0 --override-stop --approval --submit';
  const { rollout } = (await skein(`${create} -o json`)).json();
  const own = await skein(`rollout approve ${rollout} -o json`);
  expect([own.exitCode, own.json().code]).toEqual([8, 'approval-own-rollout']);
  await skein(`rollout abort ${rollout}`);
});

test('given a person who interrupts a command that waits, the process ends with 130', async () => {
  const create = 'rollout create --bundle filetype@1.0.0 --override-stop -o json';
  const { rollout } = (await skein(create)).json();
  const line = `rollout get ${rollout} --watch -o json --fleet plant --server ${server}`;
  const words = [program, ...line.split(' '), '--token-file', tokenFile];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve([exitCode, signal]));
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.kill('SIGINT');
  expect(await ended).toEqual([130, null]);
  await skein(`rollout abort ${rollout}`);
});

test('given a draft, editing writes its whole plan anew; what is left out is the default again', async () => {
  const create = 'rollout create --bundle filetype@1.0.0 --override-stop --comment first';
  const made = await skein(`${create} --soak 5s --waves 10%,100% -o json`);
  const { rollout } = made.json();
  const plan = join(folder, 'edit.yaml');
  await writeFile(plan, 'soakMs: 7000\ncomment: from the file\n');
  const line = `rollout edit ${rollout} --bundle filetype@1.0.0 --override-stop`;
  const edited = await skein(`${line} --file ${plan} --soak 9s -o json`);
  expect(edited.exitCode).toBe(0);
  expect(edited.json()).toMatchObject({
    ...{ rollout, status: 'draft' },
    spec: { soakMs: 9_000, comment: 'from the file', waves: [{ percent: 100 }] },
  });
  expect(edited.err).toContain(`next: skein rollout submit ${rollout}`);
  expect((await skein(`rollout edit ${rollout} --bundle filetype@9.9.9`)).exitCode).toBe(3);
  const missing = await skein(`rollout edit rol-${'0'.repeat(16)} --bundle filetype@1.0.0 -o json`);
  expect([missing.exitCode, missing.json().code]).toEqual([3, 'not-found']);
  expect((await skein('rollout edit')).exitCode).toBe(2);
  expect((await skein(`${line} --waves all`)).exitCode).toBe(2);
  expect((await skein(`${line} --file ${join(folder, 'none.yaml')}`)).exitCode).toBe(2);
  expect((await skein(`${line} --target nonsense`)).exitCode).toBe(2);
});

test('given a draft of somebody else, a viewer, or a rollout that runs, editing is refused', async () => {
  const create = 'rollout create --bundle filetype@1.0.0 --override-stop';
  const { rollout } = (await skein(`${create} -o json`)).json();
  const line = `rollout edit ${rollout} --bundle filetype@1.0.0 --override-stop -o json`;
  const viewer = await keep('looker', await world.token('viewer', [plant], 'looker'));
  const low = await skein(line, { tokenFile: viewer });
  expect([low.exitCode, low.json().code]).toEqual([4, 'role-insufficient']);
  const other = await keep('grace', await world.token('operator', [plant], 'grace'));
  const foreign = await skein(line, { tokenFile: other });
  expect([foreign.exitCode, foreign.json().code]).toEqual([4, 'rollout-of-another']);
  expect((await skein(`rollout submit ${rollout}`)).exitCode).toBe(0);
  const late = await skein(line);
  expect([late.exitCode, late.json().code]).toEqual([5, 'rollout-wrong-state']);
  await skein(`rollout abort ${rollout}`);
});

test('given a chain that was rewritten behind the witness, verifying says where and exits 9', async () => {
  const witness = join(folder, 'witness.json');
  // No memory of its own: what the file says is all there is.
  let homes = 0;
  const verify = (flags = '') => {
    homes += 1;
    return skein(
      `audit verify --home ${join(folder, `home-${homes}`)} --witness ${witness} ${flags}`,
    );
  };
  const first = await verify('-o json');
  expect(first.json()).toMatchObject({ auditOk: true, witnesses: 0 });
  await world.store.transaction((tx) =>
    appendAudit(tx, {
      ...{ fleet: plant, atMs: 1, actor: 'ada', action: 'looked', subject: 'x', details: {} },
    }),
  );
  expect((await verify()).exitCode).toBe(0);
  const kept = JSON.parse(await readFile(witness, 'utf8')) as { heads: { hash: string }[] };
  expect(kept.heads).toHaveLength(2);
  const forged = kept.heads.map((head) => ({ ...head, hash: '0'.repeat(64) }));
  await writeFile(witness, JSON.stringify({ heads: forged }));
  const verdict = await verify('-o json');
  expect([verdict.exitCode, verdict.json().code]).toEqual([9, 'audit-forked']);
  const longer = [{ size: 10_000, hash: '0'.repeat(64), atMs: 1 }];
  await writeFile(witness, JSON.stringify({ heads: longer }));
  expect((await verify('-o json')).exitCode).toBe(9);
});
