import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SealableDisk } from '../../agent/runner/sealable-disk.ts';
import { NodeDisk } from '../../shared/adapters/disk/node-disk.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { createPrng } from '../../shared/core/prng.ts';
import { MemoryDisk, PowerCut } from '../../sim/world/memory-disk.ts';
import { type DiskUnderTest, deviceDiskSuite } from './device-disk.suite.ts';
import { faultyFileCalls } from './faulty-file-calls.ts';

let folder = '';
beforeAll(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), 'skein-disk-'));
});
afterAll(() => fs.rm(folder, { recursive: true }));

let opened = 0;
async function openNodeDisk(): Promise<
  DiskUnderTest & { readonly root: string; readonly steps: string[] }
> {
  opened += 1;
  const root = join(folder, `${opened}`);
  await fs.mkdir(root);
  const faults = faultyFileCalls();
  let fsyncFailures = 0;
  const disk = new NodeDisk({
    root,
    fileCalls: faults.calls,
    onFsyncFailure: () => {
      fsyncFailures += 1;
    },
  });
  return {
    disk,
    root,
    steps: faults.steps,
    fill: (bytesLeft) => faults.fill(bytesLeft),
    refuseLinks: () => faults.refuseLinks(),
    failNextFsync: () => faults.failNextFsync(),
    fsyncFailures: () => fsyncFailures,
  };
}

async function openMemoryDisk(): Promise<DiskUnderTest> {
  let fsyncFailures = 0;
  const disk = new MemoryDisk({
    onFsyncFailure: () => {
      fsyncFailures += 1;
    },
  });
  return {
    disk,
    fill: (bytesLeft) => {
      disk.faults.capacityBytes = disk.usedBytes + bytesLeft;
    },
    refuseLinks: () => {
      disk.faults.refusesLinks = true;
    },
    failNextFsync: () => {
      disk.faults.failsFsync = true;
    },
    fsyncFailures: () => fsyncFailures,
  };
}

deviceDiskSuite('files', openNodeDisk);
deviceDiskSuite('memory', openMemoryDisk);
deviceDiskSuite('memory, as an agent holds it', async () => {
  const under = await openMemoryDisk();
  return { ...under, disk: new SealableDisk(under.disk) };
});

test('when a disk is sealed, what is being written is written, nothing else is, and reading goes on', async () => {
  const written: string[] = [];
  let finish = (): void => undefined;
  const slow = new Proxy(new MemoryDisk(), {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function') return value;
      if (name !== 'replace') return value.bind(target) as unknown;
      return async (path: string, bytes: Uint8Array): Promise<void> => {
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        await target.replace(path, bytes);
        written.push(path);
      };
    },
  });
  const disk = new SealableDisk(slow);
  await disk.append('known', utf8('1'), { durable: true });
  const writing = disk.replace('under-way', utf8('2'));
  const sealing = disk.seal().then(() => [...written]);
  const refused = await Promise.allSettled([
    ...[disk.replace('late', utf8('3')), disk.append('late', utf8('3'), { durable: false })],
    ...[disk.rename('known', 'late'), disk.link('known', 'late'), disk.copy('known', 'late')],
    ...[disk.remove('known'), disk.truncate('known', 0), disk.sync('known')],
  ]);
  for (const one of refused) {
    expect(one).toMatchObject({ status: 'rejected', reason: { code: 'agent-stopped' } });
  }
  finish();
  expect(await sealing).toEqual(['under-way']);
  await writing;
  expect(await disk.size('late')).toBeUndefined();
  expect(await disk.size('under-way')).toBe(1);
  expect(await disk.read('known', { bytesMax: 9 })).toEqual(utf8('1'));
});

test('when a replace fails half-way, the real disk leaves no temporary behind', async () => {
  const under = await openNodeDisk();
  under.fill(2);
  await expect(under.disk.replace('f', utf8('12345'))).rejects.toMatchObject({ code: 'disk-full' });
  expect(await fs.readdir(under.root)).toEqual([]);
});

test('when something is made durable, the real disk syncs the bytes before the name, and both', async () => {
  const { disk, steps } = await openNodeDisk();
  const stepsOfCall = async (call: Promise<unknown>): Promise<string[]> => {
    steps.length = 0;
    await call;
    return [...steps];
  };
  const root = `${opened}`;
  const first = await stepsOfCall(disk.append('d/log', utf8('1'), { durable: true }));
  expect(first).toEqual([`sync ${root}`, 'sync log', 'sync d']);
  const second = await stepsOfCall(disk.append('d/log', utf8('2'), { durable: true }));
  expect(second).toEqual(['sync log']);
  expect(await stepsOfCall(disk.append('d/log', utf8('3'), { durable: false }))).toEqual([]);
  const whole = ['sync .tmp-f', 'rename .tmp-f f', 'sync d'];
  expect(await stepsOfCall(disk.replace('d/f', utf8('1')))).toEqual(whole);
  const moved = ['rename f g', `sync ${root}`, 'sync d'];
  expect(await stepsOfCall(disk.rename('d/f', 'g'))).toEqual(moved);
  expect(await stepsOfCall(disk.link('g', 'd/h'))).toEqual(['sync d']);
  expect(await stepsOfCall(disk.remove('d/h'))).toEqual(['sync d']);
});

test('when a crash left a temporary, the real disk does not list it and the next replace takes its place', async () => {
  const under = await openNodeDisk();
  await under.disk.replace('d/f', utf8('1'));
  await fs.writeFile(join(under.root, 'd/.tmp-f'), 'half of something');
  expect(await under.disk.list('d')).toEqual(['f']);
  await under.disk.replace('d/f', utf8('2'));
  expect(await fs.readdir(join(under.root, 'd'))).toEqual(['f']);
});

test('when the last part of a path is a symbolic link, the real disk does not follow it', async () => {
  const under = await openNodeDisk();
  await fs.writeFile(join(folder, 'secret'), 'x');
  await fs.symlink(join(folder, 'secret'), join(under.root, 'link'));
  await expect(under.disk.read('link', { bytesMax: 9 })).rejects.toMatchObject({
    code: 'disk-failed',
  });
  await expect(under.disk.append('link', utf8('y'), { durable: true })).rejects.toMatchObject({
    code: 'disk-failed',
  });
});

const text = async (disk: MemoryDisk, path: string): Promise<string | undefined> => {
  const bytes = await disk.read(path, { bytesMax: 1024 });
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
};

test('when the power goes, un-synced bytes and names are gone and durable ones stay', async () => {
  const disk = new MemoryDisk();
  await disk.append('j', utf8('durable'), { durable: true });
  await disk.append('j', utf8('+lost'), { durable: false });
  await disk.append('nameless', utf8('lost'), { durable: false });
  disk.powerCut();
  expect(await text(disk, 'j')).toBe('durable');
  expect(disk.paths()).toEqual(['j']);
});

test('when the power goes with a chance, an appended tail may be torn but never reordered', async () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 40; seed += 1) {
    const disk = new MemoryDisk();
    await disk.append('j', utf8('1'), { durable: true });
    await disk.append('j', utf8('234'), { durable: false });
    disk.powerCut(createPrng(`${seed}`));
    seen.add((await text(disk, 'j')) ?? 'absent');
  }
  expect([...seen].sort()).toEqual(['1', '12', '123', '1234']);
});

test('when the power goes before each step of a replace in turn, a boot finds the old file or the new', async () => {
  const total = await stepsOf((disk) => disk.replace('f', utf8('new')));
  const found: (string | undefined)[] = [];
  for (let step = 1; step <= total; step += 1) {
    const disk = new MemoryDisk();
    await disk.replace('f', utf8('old'));
    disk.faults.powerCutAtStep = disk.steps + step;
    await expect(disk.replace('f', utf8('new'))).rejects.toBeInstanceOf(PowerCut);
    await expect(disk.size('f')).rejects.toBeInstanceOf(PowerCut);
    disk.powerCut();
    found.push(await text(disk, 'f'));
  }
  expect(total).toBe(4);
  expect(found).toEqual(['old', 'old', 'old', 'old']);
});

test('when the power goes around the rename of a folder, it is kept whole or lost whole', async () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const disk = new MemoryDisk();
    for (const name of ['a', 'b', 'c']) await disk.replace(`staging/${name}`, utf8(name));
    disk.faults.powerCutAtStep = disk.steps + 2;
    await expect(disk.rename('staging', 'slot')).rejects.toBeInstanceOf(PowerCut);
    disk.powerCut(createPrng(`${seed}`));
    const slot = await disk.list('slot');
    expect(slot.length + (await disk.list('staging')).length).toBe(3);
    expect([0, 3]).toContain(slot.length);
  }
});

test('when the card loses fsyncs, a replaced file is empty or gone after a power cut', async () => {
  const disk = new MemoryDisk();
  disk.faults.losesFsync = true;
  await disk.replace('f', utf8('new'));
  expect(await text(disk, 'f')).toBe('new');
  disk.powerCut();
  expect(await text(disk, 'f')).toBeUndefined();
});

test('when the card loses fsyncs, what was durable before stays and the rest goes', async () => {
  const disk = new MemoryDisk();
  await disk.append('j', utf8('kept'), { durable: true });
  disk.faults.losesFsync = true;
  await disk.append('j', utf8('+lost'), { durable: true });
  disk.powerCut();
  expect(await text(disk, 'j')).toBe('kept');
});

test('when a bit rots, every link of the file shows it and a copy does not', async () => {
  const disk = new MemoryDisk();
  await disk.replace('f', utf8('a'));
  await disk.link('f', 'linked');
  await disk.copy('f', 'copied');
  disk.flipBit('f', 1);
  expect(await text(disk, 'linked')).toBe('c');
  expect(await text(disk, 'copied')).toBe('a');
});

async function stepsOf(change: (disk: MemoryDisk) => Promise<unknown>): Promise<number> {
  const disk = new MemoryDisk();
  await disk.replace('f', utf8('old'));
  const before = disk.steps;
  await change(disk);
  return disk.steps - before;
}
