import { expect, test } from 'vitest';
import { AgentMemory } from '../../../agent/runner/agent-memory.ts';
import type { Epoch } from '../../../shared/core/ids.ts';
import { MemoryDisk } from '../../../sim/world/memory-disk.ts';

const epoch = 'e'.repeat(32) as Epoch;
const builtAtMs = Date.UTC(2026, 0, 1);
const auditHead = { size: 7, hash: 'a'.repeat(64), atMs: builtAtMs };
const signedHead = 'the envelope of it';

/** Found by killing the real agent: its reports began at one again, and the server took none of them for news. */
test('when several facts are kept at once, the next boot remembers each of them', async () => {
  const disk = new MemoryDisk();
  const memory = await AgentMemory.open(disk, builtAtMs);
  const floorMs = builtAtMs + 86_400_000;
  const [, number] = await Promise.all([
    memory.keepEpoch(epoch),
    memory.nextReportNumber(),
    memory.keepAuditHead(auditHead, signedHead),
    memory.keepFloor(floorMs),
  ]);
  disk.powerCut();
  const after = await AgentMemory.open(disk, builtAtMs);
  expect([after.epoch, after.floorMs, after.signedHead]).toEqual([epoch, floorMs, signedHead]);
  expect(await after.nextReportNumber()).toBeGreaterThan(number);
});

test('when a record could not be read back, it is not written', async () => {
  const disk = new MemoryDisk();
  const memory = await AgentMemory.open(disk, builtAtMs);
  await memory.keepEpoch(epoch);
  await expect(memory.keepFloor(builtAtMs + 86_400_000.5)).rejects.toThrow('the memory');
  expect((await AgentMemory.open(disk, builtAtMs)).epoch).toBe(epoch);
});
