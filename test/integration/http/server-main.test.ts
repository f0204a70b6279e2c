import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runSkein } from '../../../cli/program.ts';
import { FileKeyStore } from '../../../fleet-server/adapters/keys/file-key-store.ts';
import { parseServerConfig, type ServerConfig } from '../../../fleet-server/config.ts';
import { startServer } from '../../../fleet-server/main.ts';
import { hexOf } from '../../../shared/core/bytes.ts';
import { ed25519Key, rootBody, signBody } from '../../../shared/trust/tuf/repository.ts';
import { freePorts } from '../../support/free-ports.ts';
import { ed25519Signer } from '../../support/tuf-signers.ts';

let folder: string;
let said: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-server-'));
  said = '';
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const say = (text: string) => {
  said += text;
};
const run = (args: readonly string[]) => runSkein(args, { out: say, err: say });

async function configOf(): Promise<ServerConfig> {
  const [http, broker] = await freePorts(2);
  const settings = [
    `data=${folder}`,
    `http.port=${http}`,
    `broker.port=${broker}`,
    'logLevel=silent',
    'fleets=plant',
  ];
  const config = parseServerConfig({ file: undefined, environment: {}, settings });
  if (!config.ok) throw new Error(config.error.message);
  return config.value;
}

/** What `skein keys` makes on the operator's machine: a root that lists the server's online keys. */
async function publishRoot(config: ServerConfig): Promise<void> {
  const online = await FileKeyStore.open({ folder: join(folder, 'keys') });
  const root = ['r1', 'r2'].map(ed25519Signer);
  const keyOf = (role: 'snapshot' | 'timestamp') => ({
    keys: [ed25519Key(online.signer(role).publicKey)],
    threshold: 1,
  });
  const body = rootBody({
    version: 1,
    expiresAtMs: Date.now() + 86_400_000,
    roles: {
      root: { keys: root.map(({ key }) => key), threshold: 2 },
      targets: { keys: [ed25519Signer('targets').key], threshold: 1 },
      snapshot: keyOf('snapshot'),
      timestamp: keyOf('timestamp'),
    },
  });
  const signed = signBody(
    body,
    root.map(({ sign }) => sign),
  );
  await writeFile(config.rootFile, signed);
}

test('given a fresh folder, init makes keys once, and starting without them says what to do', async () => {
  const config = await configOf();
  await expect(startServer(config)).rejects.toMatchObject({ code: 'key-missing' });
  expect(await run(['server', 'init', '--data', folder])).toBe(0);
  expect(said).toContain('next: sign a root');
  expect(await run(['server', 'init', '--data', folder])).toBe(5);
  expect(said).toContain('secret-file-exists');
});

test('given a first start, the admin token is in a file of its owner, works, and is not made again', async () => {
  const config = await configOf();
  await run(['server', 'init', '--data', folder]);
  await publishRoot(config);
  const server = await startServer(config);
  expect(server.firstTokenFile).toBe(join(folder, 'first-admin.token'));
  const file = server.firstTokenFile ?? '';
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const context = [
    '--server',
    server.origin,
    '--token-file',
    file,
    '--fleet',
    'plant',
    '-o',
    'json',
  ];
  said = '';
  expect(await run(['claim', 'create', ...context])).toBe(0);
  expect(said).toContain('"enrolment": "skein+http://127.0.0.1:');
  expect((await fetch(`${server.origin}/readyz`)).status).toBe(200);
  expect((await fetch(`${server.origin}/metrics`)).status).toBe(401);
  expect((await fetch(`${server.origin}/tuf/1.root.json`)).status).toBe(200);
  const bearer = { authorization: `Bearer ${(await readFile(file, 'utf8')).trim()}` };
  const metrics = await fetch(`${server.origin}/metrics`, { headers: bearer });
  const page = await metrics.text();
  expect(page).toContain('# TYPE skein_windows_total counter');
  expect(page).toContain('skein_plaintext_listener{door="http"} 0');
  expect(page).toContain('skein_plaintext_listener{door="broker"} 0');
  expect(page).toContain('skein_devices{state="pending",presence="offline"} 0');
  expect(page).toMatch(/^skein_metadata_expiry_seconds\{role="root"\} 8\d{4}/m);
  expect(page).toMatch(/^skein_store_transactions_total [1-9]/m);
  expect(page).toMatch(/^process_resident_memory_bytes [1-9]/m);
  await server.stop();
  await expect(fetch(`${server.origin}/livez`)).rejects.toThrow();

  const again = await startServer(config);
  expect(again.firstTokenFile).toBeUndefined();
  expect(await run(['fleet', 'list', ...context])).toBe(0);
  await again.stop();
});

test('given no root yet, the server runs and makes no claims, because nobody could trust it', async () => {
  const config = await configOf();
  await run(['server', 'init', '--data', folder]);
  const server = await startServer(config);
  const file = server.firstTokenFile ?? '';
  const context = ['--server', server.origin, '--token-file', file, '--fleet', 'plant'];
  expect(await run(['claim', 'create', ...context])).toBe(1);
  expect(said).toContain('code: tuf-no-root');
  await server.stop();
});

test('given init without --demo, it makes the same keys, hands out their public halves, and wants to know for whom', async () => {
  expect(await run(['init'])).toBe(2);
  expect(await run(['init', '--data', folder, '--demo', folder])).toBe(2);
  expect(await run(['init', '--data', folder, '--fleet', 'plant'])).toBe(2);
  expect(await run(['init', '--data', folder])).toBe(0);
  expect(await run(['init', '--data', folder])).toBe(5);
  const handout = await readFile(join(folder, 'online-keys.json'), 'utf8');
  const online = await FileKeyStore.open({ folder: join(folder, 'keys') });
  for (const role of ['snapshot', 'timestamp', 'director', 'audit', 'federated'] as const) {
    expect(handout).toContain(`"${role}":"${hexOf(online.signer(role).publicKey)}"`);
  }
});

test('given a root share anywhere in the data folder, whatever it is called, the server does not start', async () => {
  const config = await configOf();
  await run(['server', 'init', '--data', folder]);
  const share = join(folder, 'secrets', 'old.bak');
  await mkdir(join(folder, 'secrets'), { recursive: true });
  await writeFile(share, '{"format":"skein-offline-key/1","role":"root"}');
  await expect(startServer(config)).rejects.toMatchObject({
    code: 'offline-key-on-server',
    message: expect.stringContaining(share) as string,
  });
  await rm(share);
  await (await startServer(config)).stop();
});

test('given a secret that others may read, the server does not start', async () => {
  const config = await configOf();
  await run(['server', 'init', '--data', folder]);
  await (await startServer(config)).stop();
  await chmod(join(folder, 'secrets', 'cells.hex'), 0o640);
  await expect(startServer(config)).rejects.toMatchObject({ code: 'key-file-exposed' });
});

test('given an open event stream, stopping ends it and does not wait for it', async () => {
  const config = await configOf();
  await run(['server', 'init', '--data', folder]);
  const server = await startServer(config);
  const token = (await readFile(server.firstTokenFile ?? '', 'utf8')).trim();
  const stream = await fetch(`${server.origin}/api/v1/fleets/plant/events/stream`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const ended = stream.text();
  await server.stop();
  expect(await ended).toContain(': open');
});

test('given --print-config and a broken file, the one is printed and the other refused with its place', async () => {
  expect(await run(['server', '--print-config', '--data', folder, '--set', 'http.port=9999'])).toBe(
    0,
  );
  expect(said).toContain('"origin": "http://127.0.0.1:9999"');
  const file = join(folder, 'server.yaml');
  await writeFile(file, 'http:\n  prot: 8080\n');
  said = '';
  expect(await run(['server', '--config', file])).toBe(2);
  expect(said).toContain('/http/prot');
  expect(await run(['server', '--set', 'http.host=0.0.0.0'])).toBe(1);
  expect(said).toContain('plaintext-refused');
});

test('given a port that is taken, the start fails with its name, and nothing of it stays behind', async () => {
  const config = await configOf();
  await run(['server', 'init', '--data', folder]);
  const taken = { ...config, http: { ...config.http, port: config.broker.port } };
  await expect(startServer(taken)).rejects.toMatchObject({ code: 'listen-failed' });
  // The files and the broker's port are free again.
  await (await startServer(config)).stop();
});

test('given SIGTERM, the program ends with 0 and everything is on disk', async () => {
  const config = await configOf();
  await run(['server', 'init', '--data', folder]);
  const program = new URL('../../../dist/cli/skein.js', import.meta.url).pathname;
  const settings = [`http.port=${config.http.port}`, `broker.port=${config.broker.port}`];
  const args = [program, 'server', '--data', folder, ...settings.flatMap((set) => ['--set', set])];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let heard = '';
  const listening = new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      heard += chunk.toString('utf8');
      if (heard.includes('listening as')) resolve();
    });
    child.once('exit', () => reject(new Error(heard)));
  });
  await listening;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  const token = (await readFile(join(folder, 'first-admin.token'), 'utf8')).trim();
  expect(heard).toContain('first-admin.token');
  expect(heard).not.toContain(token);
});
