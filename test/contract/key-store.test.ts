import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sealKey } from '../../cli/keys/key-file.ts';
import { createOfflineSigner } from '../../cli/keys/offline-signer.ts';
import { jsonBytes } from '../../cli/keys/workspace.ts';
import { createOnlineKeys, FileKeyStore } from '../../fleet-server/adapters/keys/file-key-store.ts';
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
