import { describe, expect, it } from 'vitest';
import { JournalFile } from '../../agent/runner/journal-file.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { createPrng } from '../../shared/core/prng.ts';
import { MemoryDisk, PowerCut } from '../../sim/world/memory-disk.ts';

const path = 'state/test.journal';
const open = (disk: MemoryDisk, bytesMax = 4096) =>
  JournalFile.open<number>({
    disk,
    path,
    bytesMax,
    parse: (value) => (typeof value === 'number' ? value : undefined),
  });

describe('JournalFile', () => {
  it('when opened again, gives back every record in order', async () => {
    const disk = new MemoryDisk();
    const { journal, records } = await open(disk);
    expect(records).toEqual([]);
    await Promise.all([journal.append(1), journal.appendAll([2, 3]), journal.append(4)]);
    expect(await open(disk)).toMatchObject({ records: [1, 2, 3, 4], damage: { kind: 'none' } });
  });

  it('when the power goes at any step, keeps every resolved record, and goes on after it', async () => {
    for (let step = 1; ; step += 1) {
      const disk = new MemoryDisk();
      disk.faults.powerCutAtStep = step;
      let resolved = 0;
      let tried = 0;
      const work = async (): Promise<void> => {
        const { journal } = await open(disk);
        for (tried = 1; tried <= 4; tried += 1) {
          await journal.append(tried);
          resolved = tried;
          if (tried === 2) await journal.compact([1, 2]);
        }
      };
      const cut = await work().then(
        () => false,
        (error: unknown) => {
          expect(error).toBeInstanceOf(PowerCut);
          return true;
        },
      );
      if (!cut) {
        expect(step).toBeGreaterThan(8);
        return;
      }
      disk.powerCut(createPrng(`cut-${step}`));
      const { journal, records, damage } = await open(disk);
      expect(damage.kind).not.toBe('corrupt');
      expect([resolved, tried]).toContain(records.length);
      expect(records).toEqual([1, 2, 3, 4].slice(0, records.length));
      await journal.append(99);
      expect((await open(disk)).records).toEqual([...records, 99]);
    }
  });

  it('when the disk is full, refuses the record, and takes the next one once there is room', async () => {
    const disk = new MemoryDisk({ capacityBytes: 60 });
    const { journal } = await open(disk);
    await journal.append(1);
    await journal.append(2);
    await expect(journal.append(3)).rejects.toMatchObject({ code: 'disk-full' });
    disk.faults.capacityBytes = 1000;
    await journal.append(4);
    expect((await open(disk)).records).toEqual([1, 2, 4]);
  });

  it('when a failed append left bytes behind, cuts them off before the next one', async () => {
    const disk = new MemoryDisk();
    const { journal } = await open(disk);
    await journal.append(1);
    disk.faults.failsFsync = true;
    await expect(journal.append(2)).rejects.toMatchObject({ code: 'fsync-failed' });
    await journal.append(3);
    expect(await open(disk)).toMatchObject({ records: [1, 3], damage: { kind: 'none' } });
  });

  it('when its bound is reached, says so, and compacting makes room', async () => {
    const disk = new MemoryDisk();
    const { journal } = await open(disk, 100);
    await journal.append(1);
    await journal.append(2);
    await journal.append(3);
    expect(journal.isLarge).toBe(true);
    await expect(journal.append(4)).rejects.toMatchObject({ code: 'journal-full' });
    await journal.compact([3]);
    await journal.append(4);
    expect((await open(disk, 100)).records).toEqual([3, 4]);
  });

  it('when a bit in the middle rots, falls back to what is intact, says so and keeps the file aside', async () => {
    const disk = new MemoryDisk();
    const { journal } = await open(disk);
    await journal.appendAll([1, 2, 3]);
    const third = journal.bytes / 3;
    disk.flipBit(path, (third + 26) * 8);
    const opened = await open(disk);
    expect(opened.records).toEqual([1]);
    expect(opened.damage).toMatchObject({ code: 'journal-corrupt', atByte: third });
    expect(await disk.size(`${path}.corrupt`)).toBe(third * 3);
    await opened.journal.append(7);
    expect(await open(disk)).toMatchObject({ records: [1, 7], damage: { kind: 'none' } });
  });

  it('when a record has an unknown form, goes back to what stands before it', async () => {
    const disk = new MemoryDisk();
    const { journal } = await JournalFile.open<unknown>({
      disk,
      path,
      bytesMax: 4096,
      parse: (value) => value,
    });
    await journal.appendAll([1, 'new form', 3]);
    const opened = await open(disk);
    expect(opened.records).toEqual([1]);
    expect(opened.damage.kind).toBe('corrupt');
  });

  it('when the file is not a journal at all, starts empty', async () => {
    const disk = new MemoryDisk();
    await disk.append(path, utf8('hello\n'), { durable: true });
    expect(await open(disk)).toMatchObject({ records: [], damage: { kind: 'torn', lostBytes: 6 } });
  });
});
