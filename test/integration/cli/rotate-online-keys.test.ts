import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OnlineHandout } from '../../../cli/keys/online-handout.ts';
import { writeLayout } from '../../../firmware-bundles/pack/oci-layout.ts';
import type { DirectorKeys } from '../../../shared/contracts/bundle-config.ts';
import { doublerBundle } from '../../support/device-world.ts';
import { type Daemon, FollowedPage } from '../../support/followed-page.ts';
import { freePorts } from '../../support/free-ports.ts';

/** One walk over both pages: each test goes on where the one before stopped. */
let page: FollowedPage;
let server: Daemon;
let devices: readonly Device[] = [];
let origin = '';
let access = '';

interface Device {
  readonly name: string;
  readonly port: number;
  readonly daemon: Daemon;
}

const startServer = (): Promise<Daemon> =>
  page.start('skein server --config server.yaml', 'listening as');

async function startDevice(name: string): Promise<Device> {
  const [port = 0] = await freePorts(1);
  const script = `skein serve --state ${name} --listen 127.0.0.1:${port} --token-file device.token`;
  return { name, port, daemon: await page.start(script, 'door-opened') };
}

/** As the device itself says. */
async function statusOf(name: string): Promise<string> {
  return (await page.shell(`skein agent status --state ${name} -o json`)).out;
}

async function feed({ port }: Device): Promise<void> {
  const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [3] }] });
  const headers = { authorization: 'Bearer let-me-in' };
  for (let sent = 0; sent < 10; sent += 1) {
    const url = `http://127.0.0.1:${port}/v2/models/doubler/infer`;
    await fetch(url, { method: 'POST', headers, body }).catch(() => undefined);
  }
}

/** All are fed until so many have committed this version: probation wants inferences. */
async function untilCommitted(version: string, count: number): Promise<void> {
  const committed = `"committed":"bundles/doubler@${version}"`;
  for (let done = 0; done < count; ) {
    await Promise.all(devices.map(feed));
    const said = await Promise.all(devices.map(({ name }) => statusOf(name)));
    done = said.filter((text) => text.includes(committed)).length;
  }
}

/** What the device has written down of its orders: the version of the keys each was signed under. */
const journalOf = async (name: string): Promise<string> => {
  const files = await readdir(page.at(name), { recursive: true });
  const path = files.find((file) => file.endsWith('update.journal')) ?? '';
  return readFile(page.at(name, path), 'utf8');
};

const ordersIn = (journal: string): readonly string[] => journal.match(/"generation":\d+/g) ?? [];

const rollOut = (version: string, token: string): string =>
  `skein rollout create --bundle doubler@${version} --soak 1s --submit --supersede \
   --server ${origin} --token-file ${token} --fleet plant`;

async function readKeys(path: string): Promise<OnlineHandout['keys']> {
  return (JSON.parse(await readFile(page.at(path), 'utf8')) as OnlineHandout).keys;
}

const served = async (name: string): Promise<string> =>
  (await fetch(`${origin}/tuf/${name}`)).text();

/** `director.json` as this version of targets names it. */
async function directorIn(version: number): Promise<DirectorKeys> {
  const { signed } = JSON.parse(await served(`${version}.targets.json`)) as {
    readonly signed: { readonly targets: Record<string, { readonly hashes: { sha256: string } }> };
  };
  const hash = signed.targets['director.json']?.hashes.sha256 ?? '';
  return JSON.parse(await served(`targets/${hash}.director.json`)) as DirectorKeys;
}

beforeAll(async () => {
  const [web = 0, mqtt = 0] = await freePorts(2);
  origin = `http://127.0.0.1:${web}`;
  access = `--server ${origin} --token-file server/first-admin.token`;
  const ports = new Map([
    ['8080', web],
    ['1883', mqtt],
  ]);
  page = await FollowedPage.open(
    ['docs/how-to/production-keys.md', 'docs/how-to/rotate-online-keys.md'],
    ports,
  );
  await writeFile(page.at('server.yaml'), `${page.yaml}logLevel: silent\n`);
  await writeFile(page.at('device.token'), 'let-me-in\n');
  await mkdir(page.at('carried'));
  for (const holder of ['root-1', 'root-2', 'root-3', 'targets-1', 'targets-2']) {
    await writeFile(page.at(`${holder}.passphrase`), `a secret of ${holder}\n`, { mode: 0o600 });
  }
  for (const version of ['1.0.0', '2.0.0']) {
    await writeLayout(page.at(`doubler-${version}`), doublerBundle(version));
  }
  // The other page, up to its fifth step.
  await page.follow('skein init --data server\n');
  await page.follow('create --role root --holder 3');
  await page.follow('--threshold root:2 --threshold targets:2');
  await page.follow('keys --home root-2 trust');
  server = await startServer();
  await page.follow('bundle --home targets-1 sign --first');
}, 120_000);

afterAll(() => page.close());

describe('given a server whose online keys were stolen', { timeout: 120_000 }, () => {
  it('when two devices run what it ordered, its data folder is copied by a thief', async () => {
    const both = page
      .block('bundle --home targets-1 sign doubler-1.0.0')
      .replaceAll(/(sign|publish) doubler-1.0.0/g, '$1 doubler-1.0.0 doubler-2.0.0');
    await page.succeed(both);
    for (const name of ['near', 'far']) {
      await page.succeed(`
        skein claim create ${access} --fleet plant --pre-authorized > enrolment.txt
        skein agent enrol --string-file enrolment.txt --state ${name} --fleet plant --device ${name}`);
      devices = [...devices, await startDevice(name)];
    }
    await page.succeed(rollOut('1.0.0', 'server/first-admin.token'));
    await untilCommitted('1.0.0', 2);
    await devices[1]?.daemon.stop();
    await page.succeed('skein audit verify --home root-1 ' + access);
    await server.stop();
    await cp(page.at('server'), page.at('stolen'), { recursive: true });
    server = await startServer();
  });

  it('when root would lose the keys it signs with, the running server refuses that root', async () => {
    await page.follow('skein init --data server-next');
    const early = await page.shell(`
      cp -r root-1 hasty
      skein keys --home hasty rotate --online carried/next-keys.json \
        --remove-online carried/online-keys.json
      for holder in root-1 root-2; do
        skein keys --home hasty sign --key $holder/keys/$holder.key.json \
          --passphrase-file $holder.passphrase
      done
      skein keys --home hasty publish ${access}`);
    expect(early.complaint).toContain('online-key-unlisted');
    expect(early.status).not.toBe(0);
  });

  it('when the page is followed, the new keys stand in root and targets and the old ones do not', async () => {
    const old = await readKeys('carried/online-keys.json');
    const next = await readKeys('carried/next-keys.json');
    await page.follow('keys --home root-1 propose --online carried/next-keys.json');
    const signed = await page.follow('--online carried/next-keys.json --federated plant');
    expect(signed.out).toContain('director.json version');
    expect(await directorIn(3)).toEqual({
      version: 2,
      keys: [next.director],
      auditKeys: [next.audit, old.audit],
    });
    await server.stop();
    await page.follow('mv server/keys old-keys');
    server = await startServer();
    await page.follow('revoke --remove-online');
    const root = await served('3.root.json');
    for (const role of ['snapshot', 'timestamp'] as const) {
      expect(root).toContain(next[role]);
      expect(root).not.toContain(old[role]);
    }
    const targets = await served('3.targets.json');
    expect(targets).toContain(next.federated);
    expect(targets).not.toContain(old.federated);
  });

  it('when a device was there and another was away, both follow the new director', async () => {
    const [near] = devices;
    devices = [...(near === undefined ? [] : [near]), await startDevice('far')];
    for (const { name } of devices) {
      await expect
        .poll(() => journalOf(name), { timeout: 60_000 })
        .toContain('"directorVersion":2');
    }
    await page.succeed(rollOut('2.0.0', 'server/first-admin.token'));
    await untilCommitted('2.0.0', 1);
  });

  it('when the audit chain is verified, heads of the old key and of the new one agree with it', async () => {
    const ran = await page.follow('skein audit verify');
    expect(ran.out).toContain('it agrees with 2 devices');
    const whoever = await page.shell(`skein token whoami ${access}`);
    expect(whoever.status).not.toBe(0);
  });

  it('when the old keys are put back under the new root, the server does not start', async () => {
    await server.stop();
    const ran = await page.shell(`
      mv server/keys new-keys && cp -r old-keys server/keys
      timeout 60 skein server --config server.yaml`);
    expect(ran.complaint).toContain('online-key-unlisted');
    expect(ran.status).toBe(5);
    await page.succeed('rm -r server/keys && mv new-keys server/keys');
  });

  it('when the stolen copy stands in the place of the server, devices refuse its orders', async () => {
    const orders = await journalOf('near').then(ordersIn);
    await page.start('skein server --config server.yaml --data stolen', 'listening as');
    const near = devices[0]?.daemon;
    const refusals = () => (near?.heard() ?? '').match(/"event":"frame-refused","code":"[a-z-]+"/g);
    await expect.poll(refusals, { timeout: 60_000 }).not.toBe(null);
    expect(new Set(refusals())).toEqual(new Set(['"event":"frame-refused","code":"unknown-key"']));
    expect(ordersIn(await journalOf('near'))).toEqual(orders);
  });
});
