import { describe, expect, test } from 'vitest';
import { equalBytes, utf8 } from '../../shared/core/bytes.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';

export interface DiskUnderTest {
  readonly disk: DeviceDisk;
  /** Lets this many more bytes through, then reports a full disk. */
  fill(bytesLeft: number): void;
  refuseLinks(): void;
  failNextFsync(): void;
  /** How often the disk asked for the process to end. */
  fsyncFailures(): number;
}

const bytes = (text: string): Uint8Array => utf8(text);
const text = (read: Uint8Array | undefined): string | undefined =>
  read === undefined ? undefined : new TextDecoder().decode(read);
const all = { bytesMax: 1024 * 1024 };

/** What every DeviceDisk promises; `open` gives an empty one each time. */
export function deviceDiskSuite(name: string, open: () => Promise<DiskUnderTest>): void {
  describe(`DeviceDisk: ${name}`, () => {
    readingSuite(open);
    writingSuite(open);
    namingSuite(open);
    troubleSuite(open);
  });
}

type Open = () => Promise<DiskUnderTest>;

function readingSuite(open: Open): void {
  test('when a file is absent, read, readRange and size are undefined and its folder lists empty', async () => {
    const { disk } = await open();
    expect(await disk.read('a/b', all)).toBeUndefined();
    expect(await disk.readRange('a/b', { from: 0, length: 1 })).toBeUndefined();
    expect(await disk.size('a/b')).toBeUndefined();
    expect(await disk.list('a')).toEqual([]);
  });

  test('when a file is larger than bytesMax, read throws file-too-large', async () => {
    const { disk } = await open();
    await disk.replace('f', bytes('12345'));
    await expect(disk.read('f', { bytesMax: 4 })).rejects.toMatchObject({ code: 'file-too-large' });
    expect(text(await disk.read('f', { bytesMax: 5 }))).toBe('12345');
  });

  test('when a range crosses the end, it is cut there; beyond the end it is empty', async () => {
    const { disk } = await open();
    await disk.replace('f', bytes('12345'));
    expect(text(await disk.readRange('f', { from: 1, length: 2 }))).toBe('23');
    expect(text(await disk.readRange('f', { from: 3, length: 1_000_000_000 }))).toBe('45');
    expect(text(await disk.readRange('f', { from: 9, length: 2 }))).toBe('');
  });

  test('when the reader changes what it got, the file stays as it was', async () => {
    const { disk } = await open();
    await disk.replace('f', bytes('abc'));
    (await disk.read('f', all))?.fill(0);
    expect(text(await disk.read('f', all))).toBe('abc');
  });

  test('when a folder holds files and folders, list names both, sorted by code unit', async () => {
    const { disk } = await open();
    for (const path of ['d/b', 'd/a', 'd/Z', 'd/sub/x', 'e/y'])
      await disk.replace(path, bytes('1'));
    expect(await disk.list('d')).toEqual(['Z', 'a', 'b', 'sub']);
  });
}

function writingSuite(open: Open): void {
  test('when bytes are appended, durable or not, they stand in order', async () => {
    const { disk } = await open();
    await disk.append('j/log', bytes('a'), { durable: false });
    await disk.append('j/log', bytes('b'), { durable: true });
    await disk.sync('j/log');
    expect(text(await disk.read('j/log', all))).toBe('ab');
    expect(await disk.size('j/log')).toBe(2);
  });

  test('when appends to one file are not awaited, each stays whole and in order', async () => {
    const { disk } = await open();
    const records = Array.from({ length: 20 }, (_, i) => `${i}`.padStart(2, '0').repeat(500));
    await Promise.all(
      records.map((record, i) => disk.append('log', bytes(record), { durable: i % 5 === 0 })),
    );
    expect(text(await disk.read('log', all))).toBe(records.join(''));
  });

  test('when a file is replaced, a link made before keeps the old bytes', async () => {
    const { disk } = await open();
    await disk.replace('f', bytes('old'));
    expect(await disk.link('f', 'kept')).toBe('linked');
    await disk.replace('f', bytes('new'));
    expect(text(await disk.read('f', all))).toBe('new');
    expect(text(await disk.read('kept', all))).toBe('old');
  });

  test('when a file is truncated it is cut, and never lengthened', async () => {
    const { disk } = await open();
    await disk.replace('f', bytes('12345'));
    await disk.truncate('f', 2);
    await disk.truncate('f', 9);
    await disk.append('f', bytes('x'), { durable: true });
    expect(text(await disk.read('f', all))).toBe('12x');
  });

  test('when a file is copied, the copy shares nothing with it', async () => {
    const { disk } = await open();
    const large = new Uint8Array(2_500_000).map((_, i) => i % 251);
    await disk.replace('f', large);
    await disk.copy('f', 'safe/f');
    await disk.append('f', bytes('more'), { durable: false });
    const copied = await disk.read('safe/f', { bytesMax: 3_000_000 });
    expect(equalBytes(copied ?? new Uint8Array(0), large)).toBe(true);
  });
}

function namingSuite(open: Open): void {
  test('when a file is renamed onto another, only the new name is left', async () => {
    const { disk } = await open();
    await disk.replace('x/from', bytes('1'));
    await disk.replace('y/to', bytes('2'));
    await disk.rename('x/from', 'y/to');
    await disk.rename('y/to', 'y/to');
    expect(await disk.read('x/from', all)).toBeUndefined();
    expect(text(await disk.read('y/to', all))).toBe('1');
  });

  test('when both names are links of one file, rename still removes the old name', async () => {
    const { disk } = await open();
    await disk.replace('a', bytes('1'));
    await disk.link('a', 'b');
    await disk.rename('a', 'b');
    expect(await disk.size('a')).toBeUndefined();
    expect(text(await disk.read('b', all))).toBe('1');
  });

  test('when a folder is renamed, its files go with it; onto a filled folder it is refused', async () => {
    const { disk } = await open();
    await disk.replace('staging/a', bytes('1'));
    await disk.replace('staging/deep/b', bytes('2'));
    await disk.replace('taken/c', bytes('3'));
    await disk.rename('staging', 'slot');
    expect(await disk.list('slot')).toEqual(['a', 'deep']);
    expect(await disk.list('staging')).toEqual([]);
    await expect(disk.rename('slot', 'taken')).rejects.toMatchObject({ code: 'disk-failed' });
  });

  test('when the destination of a link exists, it is kept', async () => {
    const { disk } = await open();
    await disk.replace('a', bytes('1'));
    await disk.replace('b', bytes('2'));
    await disk.link('a', 'b');
    expect(text(await disk.read('b', all))).toBe('2');
  });

  test('when a file or a folder is removed twice, the second time is fine', async () => {
    const { disk } = await open();
    await disk.replace('d/a', bytes('1'));
    await disk.replace('d/e/b', bytes('2'));
    for (let i = 0; i < 2; i += 1) await disk.remove('d/a');
    expect(await disk.list('d')).toEqual(['e']);
    for (let i = 0; i < 2; i += 1) await disk.remove('d');
    expect(await disk.list('d')).toEqual([]);
    await disk.remove('never/was/here');
  });

  test('when the source is missing, rename, link, copy, sync and truncate say file-missing', async () => {
    const { disk } = await open();
    const missing = { code: 'file-missing' };
    await expect(disk.rename('no', 'b')).rejects.toMatchObject(missing);
    await expect(disk.link('no', 'b')).rejects.toMatchObject(missing);
    await expect(disk.copy('no', 'b')).rejects.toMatchObject(missing);
    await expect(disk.sync('no')).rejects.toMatchObject(missing);
    await expect(disk.truncate('no', 0)).rejects.toMatchObject(missing);
    expect(await disk.size('b')).toBeUndefined();
  });

  test('when a path could leave the root or name a temporary, it is refused as a bug', async () => {
    const { disk } = await open();
    const bad = ['', '.', '..', '/etc/x', 'a/../b', 'a//b', 'a/', 'a b', 'ü', 'a\0b', '.tmp-x'];
    for (const path of [...bad, 'x/.tmp-y', 'n'.repeat(241), 'a/'.repeat(300) + 'b']) {
      await expect(disk.read(path, all), path).rejects.toMatchObject({
        code: 'invariant-violated',
      });
      await expect(disk.replace(path, bytes('1')), path).rejects.toMatchObject({
        code: 'invariant-violated',
      });
      expect(() => disk.nativePath(path), path).toThrow();
    }
  });
}

function troubleSuite(open: Open): void {
  test('when the disk is full, append and replace say disk-full and leave the file as it was', async () => {
    const under = await open();
    const { disk } = under;
    await disk.replace('f', bytes('before'));
    under.fill(3);
    await expect(disk.append('f', bytes('12345678'), { durable: true })).rejects.toMatchObject({
      code: 'disk-full',
      retryable: true,
    });
    await expect(disk.replace('f', bytes('12345678'))).rejects.toMatchObject({
      code: 'disk-full',
    });
    expect(text(await disk.read('f', all))).toBe('before');
    expect(await disk.freeBytes()).toBeGreaterThanOrEqual(0);
  });

  test('when links do not work, link copies and says so', async () => {
    const under = await open();
    await under.disk.replace('a', bytes('1'));
    under.refuseLinks();
    expect(await under.disk.link('a', 'd/b')).toBe('copied');
    expect(text(await under.disk.read('d/b', all))).toBe('1');
  });

  test('when an fsync fails, the process is asked to end, once, and the call throws fsync-failed', async () => {
    const changes: readonly ((disk: DeviceDisk) => Promise<unknown>)[] = [
      (disk) => disk.append('f', bytes('2'), { durable: true }),
      (disk) => disk.replace('f', bytes('2')),
      (disk) => disk.sync('f'),
      (disk) => disk.truncate('f', 0),
      (disk) => disk.rename('f', 'g'),
      (disk) => disk.link('f', 'g'),
      (disk) => disk.copy('f', 'g'),
      (disk) => disk.remove('f'),
    ];
    for (const change of changes) {
      const under = await open();
      await under.disk.replace('f', bytes('1'));
      under.failNextFsync();
      await expect(change(under.disk)).rejects.toMatchObject({ code: 'fsync-failed' });
      expect(under.fsyncFailures()).toBe(1);
    }
  });
}
