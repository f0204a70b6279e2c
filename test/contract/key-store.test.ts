import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { sealKey } from '../../cli/keys/key-file.ts';
import { createOfflineSigner } from '../../cli/keys/offline-signer.ts';
import { jsonBytes } from '../../cli/keys/workspace.ts';
import { createOnlineKeys, FileKeyStore } from '../../fleet-server/adapters/keys/file-key-store.ts';
import { refuseOfflineKeys } from '../../fleet-server/adapters/keys/offline-key-search.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { SeededKeys } from '../../sim/world/seeded-keys.ts';
import { keyStoreSuite } from './key-store.suite.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-online-keys-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const inFolder = (passphrase?: string) => async () => {
  const options = { folder, ...(passphrase === undefined ? {} : { passphrase }) };
  await createOnlineKeys(options);
  const reopen = () => FileKeyStore.open(options);
  return { keys: await reopen(), reopen, dispose: async () => undefined };
};

keyStoreSuite('plain files', inFolder());
keyStoreSuite('sealed files', inFolder('one long secret'));
keyStoreSuite('seeded', async () => ({
  keys: new SeededKeys('s'),
  reopen: async () => new SeededKeys('s'),
  dispose: async () => undefined,
}));

describe('given a folder of online keys', () => {
  const pathOf = (role: string): string => join(folder, `${role}.key.json`);
  const opened = async (passphrase?: string): Promise<string> => {
    try {
      await FileKeyStore.open({ folder, ...(passphrase === undefined ? {} : { passphrase }) });
      return 'ok';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  test('when keys are made, only their owner reads them and none is made twice', async () => {
    await createOnlineKeys({ folder });
    expect((await stat(pathOf('director'))).mode & 0o777).toBe(0o600);
    await expect(createOnlineKeys({ folder })).rejects.toMatchObject({ code: 'EEXIST' });
  });

  test('when a root or targets key lies in it, the store does not open', async () => {
    await createOnlineKeys({ folder });
    const seed = randomBytes(32);
    const { publicKey } = createOfflineSigner(seed);
    const key = { role: 'targets' as const, holder: '1', passphrase: 'long secret' };
    const bytes = jsonBytes(sealKey({ ...key, nowMs: 0, seed, publicKey }));
    await writeFile(join(folder, 'targets-1.key.json'), bytes, { mode: 0o600 });
    expect(await opened()).toBe('offline-key-on-server');
    const bare = JSON.stringify({ role: 'root', seed: 'whatever' });
    await writeFile(join(folder, 'targets-1.key.json'), bare, { mode: 0o600 });
    expect(await opened()).toBe('offline-key-on-server');
  });

  test('when one key stands under two roles, the store does not open', async () => {
    await createOnlineKeys({ folder });
    const text = await readFile(pathOf('snapshot'), 'utf8');
    await writeFile(pathOf('audit'), text.replace('"snapshot"', '"audit"'));
    expect(await opened()).toBe('key-in-two-roles');
  });

  test('when a file is readable by others, damaged, missing or sealed, the store says which', async () => {
    await createOnlineKeys({ folder, passphrase: 'one long secret' });
    expect(await opened('one long secret')).toBe('ok');
    expect(await opened('another secret')).toBe('key-unreadable');
    expect(await opened()).toBe('key-unreadable');
    await chmod(pathOf('audit'), 0o640);
    expect(await opened('one long secret')).toBe('key-file-exposed');
    await chmod(pathOf('audit'), 0o600);
    await writeFile(pathOf('audit'), '{}');
    expect(await opened('one long secret')).toBe('key-unreadable');
    await rm(pathOf('audit'));
    expect(await opened('one long secret')).toBe('key-missing');
  });

  test('when a sealed file was changed, it does not open as another role', async () => {
    await createOnlineKeys({ folder, passphrase: 'one long secret' });
    const text = await readFile(pathOf('snapshot'), 'utf8');
    await writeFile(pathOf('snapshot'), text.replace('"snapshot"', '"audit"'));
    await rm(pathOf('audit'));
    expect(await opened('one long secret')).toBe('key-unreadable');
  });
});

describe('given the data folder of a server', () => {
  let sealed: Uint8Array = new Uint8Array(0);
  beforeAll(() => {
    const seed = randomBytes(32);
    const { publicKey } = createOfflineSigner(seed);
    const key = { role: 'root' as const, holder: '1', passphrase: 'long secret' };
    sealed = jsonBytes(sealKey({ ...key, nowMs: 0, seed, publicKey }));
  });
  const share = (): Uint8Array => sealed;
  const put = async (place: string, bytes: Uint8Array | string): Promise<void> => {
    await mkdir(dirname(join(folder, place)), { recursive: true });
    await writeFile(join(folder, place), bytes);
  };
  const searched = async (): Promise<string> => {
    try {
      await refuseOfflineKeys(folder);
      return 'ok';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  it('when it holds what a server keeps, and public keys of offline roles, nothing is found', async () => {
    await createOnlineKeys({ folder: join(folder, 'keys') });
    await put('first-root.json', '{"signed":{"_type":"root","roles":{"root":{},"targets":{}}}}');
    await put('root-1.pub', 'a'.repeat(64));
    await put('secrets/cells.hex', 'b'.repeat(64));
    expect(await searched()).toBe('ok');
  });

  it.each([
    'keys/root-1.key.json',
    'keys/root-1.bak',
    'root-1',
    'secrets/old/.hidden',
    'a/b/c/d/e/f/g/share.txt',
  ])('when a share lies in it as %s, the server does not start', async (place) => {
    await put(place, share());
    expect(await searched()).toBe('offline-key-on-server');
  });

  it('when a share is wrapped, linked, or spelled by hand, it is found too', async () => {
    await put('mail.eml', `Subject: my share\n\n${Buffer.from(share()).toString()}\n-- \n`);
    expect(await searched()).toBe('offline-key-on-server');
    await rm(join(folder, 'mail.eml'));
    const elsewhere = await mkdtemp(join(tmpdir(), 'skein-share-'));
    await writeFile(join(elsewhere, 'share'), share());
    await symlink(join(elsewhere, 'share'), join(folder, 'link'));
    expect(await searched()).toBe('offline-key-on-server');
    await rm(elsewhere, { recursive: true });
    expect(await searched()).toBe('ok');
    await put('bare', JSON.stringify({ role: 'targets', seed: 'whatever' }));
    expect(await searched()).toBe('offline-key-on-server');
  });

  it('when somebody uploads a share as a blob, that does not keep the server from starting', async () => {
    await put('blobs/sha256/aa/aa', share());
    expect(await searched()).toBe('ok');
  });

  it('when it is too deep or too full to be looked at, the server says so instead of giving up', async () => {
    await put(`${'x/'.repeat(limits.dataFolderDepthMax + 1)}share`, share());
    expect(await searched()).toBe('data-folder-crowded');
    await rm(join(folder, 'x'), { recursive: true });
    for (let n = 0; n <= limits.dataFolderEntriesMax; n += 1) await put(`many/${n}`, '');
    expect(await searched()).toBe('data-folder-crowded');
  });
});
