import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeLayout } from '../../../firmware-bundles/pack/oci-layout.ts';
import { doublerBundle } from '../../support/device-world.ts';
import { FollowedPage, type Ran } from '../../support/followed-page.ts';
import { freePorts } from '../../support/free-ports.ts';

/** One folder for the whole page: each test goes on where the one before stopped. */
let page: FollowedPage;
let origin = '';
const at = (...parts: readonly string[]): string => page.at(...parts);
const shell = (script: string): Promise<Ran> => page.shell(script);
const follow = (text: string): Promise<Ran> => page.follow(text);

beforeAll(async () => {
  const [web = 0, mqtt = 0] = await freePorts(2);
  origin = `http://127.0.0.1:${web}`;
  const ports = new Map([
    ['8080', web],
    ['1883', mqtt],
  ]);
  page = await FollowedPage.open(['docs/how-to/production-keys.md'], ports);
  await writeFile(at('server.yaml'), `${page.yaml}logLevel: silent\n`);
  await mkdir(at('carried'));
  for (const holder of [
    'root-1',
    'root-2',
    'root-3',
    'root-4',
    'targets-1',
    'targets-2',
    'targets-3',
  ]) {
    await writeFile(at(`${holder}.passphrase`), `a long secret of ${holder}\n`, { mode: 0o600 });
  }
  for (const version of ['1.0.0', '2.0.0']) {
    await writeLayout(at(`doubler-${version}`), doublerBundle(version));
  }
});

afterAll(() => page.close());

/** Feeds the device until it has committed this version: probation wants inferences. */
async function untilCommitted(version: string): Promise<void> {
  const committed = new RegExp(`"committed":"bundles/doubler@${version.replaceAll('.', '\\.')}"`);
  for (;;) {
    const request = {
      method: 'POST',
      headers: { authorization: 'Bearer let-me-in' },
      body: JSON.stringify({
        inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [3] }],
      }),
    };
    for (let sent = 0; sent < 10; sent += 1) {
      await fetch(`${device}/v2/models/doubler/infer`, request).catch(() => undefined);
    }
    const { out } = await shell('skein agent status --state device -o json');
    if (committed.test(out)) return;
  }
}
let device = '';

/** The newest root that the device keeps; as long as it has fetched none, that is the one it enrolled with. */
const rootOnDevice = async (): Promise<number> => {
  const files = await readdir(at('device'), { recursive: true });
  const path = files.find((name) => name.endsWith('trust/root.json'));
  if (path === undefined) return 1;
  const root = JSON.parse(await readFile(at('device', path), 'utf8')) as {
    readonly signed: { readonly version: number };
  };
  return root.signed.version;
};

/** What the signatures cover, as it stands in a home's proposal. */
const signedPart = async (home: string): Promise<string> => {
  const text = await readFile(at(home, 'proposals', 'targets.json'), 'utf8');
  return text.slice(text.indexOf('"signed"'));
};

const signedBy = async (path: string): Promise<number> =>
  (JSON.parse(await readFile(at(path), 'utf8')) as { readonly signatures: unknown[] }).signatures
    .length;

// Each step is a process of its own and stretches a passphrase; the watchdog is for a machine that does other things.
describe('given the how-to for production keys', { timeout: 300_000 }, () => {
  it('when the shares are made apart and two of three sign, a root exists that every home begins with', async () => {
    await follow('skein init --data server');
    await follow('create --role root --holder 3');
    const again = await shell(
      'skein keys --home root-1 create --role root --holder 1 --passphrase-file root-1.passphrase',
    );
    expect(again.status, again.complaint).toBe(5);
    await follow('--threshold root:2 --threshold targets:2');
    expect(await signedBy('carried/1.root.json')).toBe(2);
    await follow('keys --home root-2 trust');
    const other = `skein keys --home x trust carried/1.root.json --digest sha256:${'0'.repeat(64)}`;
    const refused = await shell(other);
    expect(refused.complaint).toContain('root-mismatch');
    expect(refused.status).toBe(9);
  });

  it('when root has one signature less than it asks for, it is not published', async () => {
    const ran = await shell(`
    cp -r root-1 lonely && rm lonely/trusted/root.json
    skein keys --home lonely propose --online carried/online-keys.json --threshold root:2 \
      --add root:carried/root-1.pub --add root:carried/root-2.pub --add targets:carried/targets-1.pub
    skein keys --home lonely sign --key root-1/keys/root-1.key.json --passphrase-file root-1.passphrase
    skein keys --home lonely publish --to lonely/out`);
    expect(ran.complaint).toContain('tuf-threshold-root');
    expect(ran.out).toContain('1 of 2');
    expect(ran.status).toBe(9);
    const targetsKey = await shell(
      'skein keys --home lonely sign --key targets-1/keys/targets-1.key.json --passphrase-file targets-1.passphrase',
    );
    expect(targetsKey.status).toBe(2);
  });

  it('when the server has no root, keys publish says where the first one goes', async () => {
    const bare = at('bare');
    await cp(at('server'), join(bare, 'server'), { recursive: true });
    await rm(join(bare, 'server', 'first-root.json'));
    const [web = 0, mqtt = 0] = await freePorts(2);
    const settings = `--set logLevel=silent --set http.port=${web} --set broker.port=${mqtt}`;
    await page.start(`skein server --data bare/server ${settings}`, 'listening as');
    const ran = await shell(`skein keys --home root-1 publish --server http://127.0.0.1:${web} \
    --token-file bare/server/first-admin.token`);
    expect(ran.complaint).toContain('its first one is its rootFile');
    expect(ran.status).toBe(9);
  });

  it('when targets begin, both holders sign the same bytes, and one signature alone is refused', async () => {
    await page.start(
      (page.blocks.find((block) => block.startsWith('skein server')) ?? '').trim(),
      'listening as',
    );
    const first = await shell(`skein bundle --home targets-1 sign --repository ${origin}`);
    expect(first.complaint).toContain('--first begins a repository');
    const [mine = '', yours = ''] = (
      page.blocks.find((block) => block.includes('--first')) ?? ''
    ).split(/(?=skein bundle --home targets-2 sign)/);
    expect((await shell(mine)).out).toContain('1 of 2');
    const alone = await shell(
      `skein bundle --home targets-1 publish --server ${origin} --token-file server/first-admin.token`,
    );
    expect(alone.complaint).toContain('tuf-threshold-targets');
    expect(alone.status).toBe(9);
    const both = await shell(yours);
    expect(both.status, both.complaint).toBe(0);
    expect(both.out).toContain('2 of 2');
    expect(both.out).toContain('director.json keys');
    expect(await signedPart('targets-1')).toBe(await signedPart('targets-2'));
    const again = await shell(`skein bundle --home targets-1 sign --first --repository ${origin}`);
    expect(again.complaint).toContain('repository-begun');
    expect(again.status).toBe(5);
  });

  it('when a proposal was altered on its way, or releases other bytes, the second holder does not sign', async () => {
    await shell(
      page.blocks.find((block) => block.includes('sign doubler-1.0.0'))?.split(/^rm/m)[0] ?? '',
    );
    const sign = (what: string) =>
      shell(`skein bundle --home targets-2 sign ${what} --repository ${origin} \
      --key targets-2/keys/targets-2.key.json --passphrase-file targets-2.passphrase --yes`);
    const other = await sign('doubler-2.0.0 --proposal targets-1/proposals');
    expect(other.complaint).toContain('tuf-target-mismatch');
    await cp(at('targets-1', 'proposals'), at('altered'), { recursive: true });
    const text = await readFile(at('altered', 'targets.json'), 'utf8');
    await writeFile(at('altered', 'targets.json'), text.replace('"version":2', '"version":3'));
    expect((await sign('--proposal altered')).complaint).toContain('metadata-not-next');
    const fixed = text.replace(/("revoked\.json":.*?"sha256":")./, '$1x');
    await writeFile(at('altered', 'targets.json'), fixed.replace('"sha256":"x', '"sha256":"0'));
    expect((await sign('--proposal altered')).complaint).toContain('fixed-target-missing');
    expect((await sign('--proposal targets-1/proposals --retire x')).status).toBe(2);
  });

  it('when the bundle is signed by both and rolled out, a device that enrols with this root runs it', async () => {
    await follow('sign doubler-1.0.0');
    await follow('skein claim create');
    const [port] = await freePorts(1);
    device = `http://127.0.0.1:${port}`;
    await writeFile(at('device.token'), 'let-me-in\n');
    await page.start(
      `skein serve --state device --listen 127.0.0.1:${port} --token-file device.token`,
      'door-opened',
    );
    await untilCommitted('1.0.0');
    expect(await rootOnDevice()).toBe(1);
  });

  it('when root is rotated and a share revoked on the running server, the stolen share signs nothing', async () => {
    await follow('rotate --remove');
    expect((await fetch(`${origin}/tuf/2.root.json`)).status).toBe(200);
    await follow('revoke --remove');
    const stuck = await shell(`skein bundle --home targets-1 sign --repository ${origin}`);
    expect(stuck.complaint).toContain('--again signs it once more');
    const thief = await shell(`skein bundle --home targets-2 sign --again --repository ${origin} \
    --key targets-2/keys/targets-2.key.json --passphrase-file targets-2.passphrase --yes`);
    expect(thief.complaint).toContain('share-unlisted');
    expect(thief.status).toBe(5);
  });

  it('when targets are signed again, only a home that knows them begins, and a new one sees all of it', async () => {
    const blind = await shell(`
    skein keys --home fresh trust carried/1.root.json \
      --digest sha256:$(sha256sum carried/1.root.json | cut -c 1-64)
    skein bundle --home fresh sign --again --repository ${origin}`);
    expect(blind.complaint).toContain('base-unseen');
    expect(blind.status).toBe(5);
    const again = await follow('--again');
    expect(again.complaint).toContain('this home never saw the published file');
    expect(again.out).toContain('targets bundles/doubler@1.0.0');
  });

  it('when the next bundle is signed under the new root, the device follows the roots and runs it', async () => {
    await follow('sign doubler-2.0.0');
    await untilCommitted('2.0.0');
    expect(await rootOnDevice()).toBe(3);
  });
});
