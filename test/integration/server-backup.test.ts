import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runSkein } from '../../cli/program.ts';
import { FolderBlobStore } from '../../fleet-server/adapters/blobs/folder-blob-store.ts';
import { FileKeyStore } from '../../fleet-server/adapters/keys/file-key-store.ts';
import { openFileStore, type SqlStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import { NodeDisk } from '../../shared/adapters/disk/node-disk.ts';
import { cryptoRandom } from '../../shared/adapters/random/crypto-random.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { streamOf } from '../../shared/core/byte-stream.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { digestOf } from '../../shared/trust/hash.ts';
import { device, deviceId, plant } from '../support/store-nouns.ts';

let folder: string;
let said: string;
let store: SqlStore;
const at = (...names: readonly string[]): string => join(folder, ...names);
const run = (...args: readonly string[]) => {
  const say = (text: string) => {
    said += text;
  };
  said = '';
  return runSkein(['server', ...args], { out: say, err: say });
};
const blobAt = (root: string, digest: Digest): string => {
  const hex = digest.slice('sha256:'.length);
  return at(root, 'blobs', 'sha256', hex.slice(0, 2), hex);
};

const held = utf8('a blob that a bundle names');
const loose = utf8('an upload that nothing names yet');

async function putBlob(bytes: Uint8Array, holder?: string): Promise<void> {
  const disk = new NodeDisk({ root: at('data', 'blobs'), onFsyncFailure: () => process.abort() });
  const blobs = await FolderBlobStore.open(disk, cryptoRandom);
  const digest = digestOf(bytes);
  await blobs.put(digest, streamOf(bytes), { bytesMax: 1_000 });
  await store.transaction(async (tx) => {
    await tx.blobs.put({ digest, sizeBytes: bytes.length, storedAtMs: 1, purpose: 'bundle' });
    if (holder !== undefined) await tx.blobs.hold(holder, [digest]);
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-backup-'));
  await run('init', '--data', at('data'));
  await writeFile(at('data', 'first-root.json'), '{"a root":1}');
  await mkdir(at('data', 'blobs'));
  store = await openFileStore(at('data', 'skein.db'));
  await store.transaction(async (tx) => {
    await tx.fleets.insert({ fleet: plant, title: 'Plant', createdAtMs: 0 });
    await tx.devices.insert(device('d1', { issuedGeneration: 7 }));
  });
  await putBlob(held, 'bundle:bundles/filetype@1.0.0');
  await putBlob(loose);
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const backup = (...more: readonly string[]) =>
  run('backup', '--data', at('data'), '--to', at('copy'), ...more);
const restore = () => run('restore', '--data', at('new'), '--from', at('copy'));

test('when a server that runs is backed up and restored, everything is there and every device must report first', async () => {
  expect(await backup()).toBe(0);
  expect(said).toContain('2 blobs');
  expect(said).toContain('it holds online keys and secrets');
  // What came after the backup is lost, and must not be forgotten about.
  await store.transaction((tx) => tx.devices.insert(device('d2')));
  expect(await restore()).toBe(0);
  const restored = await openFileStore(at('new', 'skein.db'));
  const [d1, d2] = await restored.read(async (view) => [
    await view.devices.get(plant, deviceId('d1')),
    await view.devices.get(plant, deviceId('d2')),
  ]);
  expect(d1).toMatchObject({ needsReport: true });
  expect(d1?.issuedGeneration).toBe(7 + limits.restoreGenerationGap);
  expect(d2).toBeNull();
  await restored.close();
  expect(await readFile(blobAt('new', digestOf(held)))).toEqual(Buffer.from(held));
  expect(await readFile(at('new', 'first-root.json'), 'utf8')).toBe('{"a root":1}');
  const keys = await FileKeyStore.open({ folder: at('new', 'keys') });
  const before = await FileKeyStore.open({ folder: at('data', 'keys') });
  expect(keys.signer('director').keyId).toBe(before.signer('director').keyId);
});

test('when a backup is taken, only its owner can read the keys, the store and the list', async () => {
  await backup();
  const names = ['skein.db', 'backup.json', 'keys/director.key.json', 'first-root.json'];
  for (const name of names) expect((await stat(at('copy', name))).mode & 0o777, name).toBe(0o600);
  expect((await stat(at('copy'))).mode & 0o777).toBe(0o700);
});

test('when blobs are to be copied, the backup shares no file with the server', async () => {
  await backup('--copy');
  const digest = digestOf(held);
  expect((await stat(blobAt('copy', digest))).ino).not.toBe(
    (await stat(blobAt('data', digest))).ino,
  );
});

test('when the target of a backup or a restore holds anything, nothing is written', async () => {
  await backup();
  expect(await backup()).toBe(5);
  expect(said).toContain('folder-not-empty');
  await restore();
  expect(await restore()).toBe(5);
  expect(said).toContain('folder-not-empty');
});

test('when a blob that a bundle names is missing or rotten, no backup is made', async () => {
  await writeFile(blobAt('data', digestOf(held)), 'rotten');
  expect(await backup()).toBe(5);
  expect(said).toContain('backup-altered');
  await rm(at('copy'), { recursive: true });
  await rm(blobAt('data', digestOf(held)));
  expect(await backup()).toBe(5);
  expect(said).toContain('backup-incomplete');
  // What was left behind is no backup.
  expect(await restore()).toBe(5);
  expect(said).toContain('backup.json');
});

test('when an upload that nothing names was collected meanwhile, the backup goes without it', async () => {
  await rm(blobAt('data', digestOf(loose)));
  expect(await backup()).toBe(0);
  expect(said).toContain('1 blobs');
  expect(await restore()).toBe(0);
});

test.each([
  ['a key', () => writeFile(at('copy', 'keys', 'director.key.json'), '{}'), 'backup-altered'],
  ['the store', () => writeFile(at('copy', 'skein.db'), 'x'), 'backup-altered'],
  ['a blob', () => writeFile(blobAt('copy', digestOf(held)), 'x'), 'backup-altered'],
  ['the list', () => writeFile(at('copy', 'backup.json'), '{"format":1}'), 'backup-altered'],
  [
    'the list, to reach outside',
    async () => {
      const list = await readFile(at('copy', 'backup.json'), 'utf8');
      await writeFile(at('copy', 'backup.json'), list.replace('keys/director', '../director'));
    },
    'backup-altered',
  ],
  ['a lost file', () => rm(at('copy', 'first-root.json')), 'backup-incomplete'],
  ['a lost blob', () => rm(blobAt('copy', digestOf(held))), 'backup-incomplete'],
])(
  'when somebody changed %s of a backup, no server starts from it',
  async (_what, change, code) => {
    await backup('--copy');
    await change();
    expect(await restore()).toBe(5);
    expect(said).toContain(code);
    expect(await readdir(at('new')).catch(() => [])).toEqual([]);
  },
);
