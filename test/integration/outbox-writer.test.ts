import { describe, expect, it } from 'vitest';
import type { WindowDraft } from '../../agent/core/monitor/window-draft.ts';
import { OutboxWriter, type OutgoingWindow } from '../../agent/runner/outbox-writer.ts';
import type { Ack, Window } from '../../shared/contracts/window.ts';
import type { AppName, Digest } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { createPrng } from '../../shared/core/prng.ts';
import type { Log, LogFields } from '../../shared/ports/log.ts';
import { MemoryDisk, PowerCut } from '../../sim/world/memory-disk.ts';
import { SimRandom } from '../../sim/world/sim-random.ts';

const path = 'state/outbox.journal';

class LogBook implements Log {
  readonly lines: LogFields[] = [];
  info(fields: LogFields): void {
    this.lines.push(fields);
  }
  warn(fields: LogFields): void {
    this.lines.push(fields);
  }
  error(fields: LogFields): void {
    this.lines.push(fields);
  }
}

const draftOf = (inferences: number): WindowDraft => ({
  fromMs: 0,
  toMs: 1,
  models: [
    {
      app: 'filetype' as AppName,
      digest: `sha256:${'0'.repeat(64)}` as Digest,
      phase: 'committed',
      inferences,
      errors: [],
      latency: [],
      predicted: [],
      labelled: 0,
      correct: 0,
      confidenceMicros: 0,
      monitored: [],
    },
  ],
});

/** Keeps windows by (outbox, first), as the server does, over any number of device restarts. */
class WindowServer {
  readonly windows = new Map<string, string>();
  arrived = 0;

  readonly receive = async ({ body }: OutgoingWindow): Promise<void> => {
    const text = new TextDecoder().decode(body);
    const { outbox, first } = JSON.parse(text) as Window;
    const key = `${outbox} ${first}`;
    expect(this.windows.get(key) ?? text).toBe(text);
    this.windows.set(key, text);
    this.arrived += 1;
  };

  ack(outbox: Ack['outbox']): Ack {
    let durable = 0;
    for (;;) {
      const next = this.windows.get(`${outbox} ${durable + 1}`);
      if (next === undefined) return { outbox, durable };
      durable = (JSON.parse(next) as Window).last;
    }
  }

  inferences(): number {
    return [...this.windows.values()]
      .flatMap((text) => (JSON.parse(text) as Window).models)
      .reduce((sum, model) => sum + model.inferences, 0);
  }
}

const open = (disk: MemoryDisk, log: Log = new LogBook(), seed = 'outbox') =>
  OutboxWriter.open({ disk, path, random: new SimRandom(seed), log });

describe('OutboxWriter', () => {
  it('when started again, goes on under the same id with everything that is not acknowledged', async () => {
    const disk = new MemoryDisk();
    const server = new WindowServer();
    const first = await open(disk);
    for (let i = 1; i <= 12; i += 1) await first.appendWindow(draftOf(i));
    await first.openSession(server.receive);
    expect(first.backlog).toEqual({ unsent: 4, inFlight: 8, durable: 0 });
    await first.acknowledge({ outbox: first.outbox, durable: 2 });

    const second = await open(disk, new LogBook(), 'another seed');
    expect(second.outbox).toBe(first.outbox);
    expect(second.backlog).toEqual({ unsent: 2, inFlight: 8, durable: 2 });
    await second.openSession(server.receive);
    await second.acknowledge(server.ack(second.outbox));
    await second.acknowledge(server.ack(second.outbox));
    expect(second.backlog).toEqual({ unsent: 0, inFlight: 0, durable: 12 });
    expect(server.inferences()).toBe(78);
  });

  it('when publishing fails, keeps the window and sends the same bytes at the next session', async () => {
    const disk = new MemoryDisk();
    const log = new LogBook();
    const writer = await open(disk, log);
    const server = new WindowServer();
    await writer.appendWindow(draftOf(5));
    await writer.openSession(async (window) => {
      await server.receive(window);
      throw new OperatingError('connect-failed', 'the session ended');
    });
    await Promise.resolve();
    writer.closeSession();
    await writer.appendWindow(draftOf(6));
    expect(writer.backlog).toMatchObject({ unsent: 1, inFlight: 1 });
    await writer.openSession(server.receive);
    await writer.acknowledge(server.ack(writer.outbox));
    expect(server.inferences()).toBe(11);
    expect(log.lines).toContainEqual(
      expect.objectContaining({ event: 'window-not-sent', code: 'connect-failed' }),
    );
  });

  it('when the power goes at any step, no acknowledged append is lost and none is counted twice', async () => {
    for (let step = 1; ; step += 1) {
      const disk = new MemoryDisk();
      const server = new WindowServer();
      disk.faults.powerCutAtStep = step;
      let kept = 0;
      let tried = 0;
      const cut = await (async () => {
        const writer = await open(disk);
        for (tried = 1; tried <= 12; tried += 1) {
          await writer.appendWindow(draftOf(1));
          kept = tried;
          if (tried === 3 || tried === 9) await writer.openSession(server.receive);
          if (tried === 6) writer.closeSession();
          if (tried === 10) await writer.acknowledge(server.ack(writer.outbox));
        }
      })().then(
        () => false,
        (error: unknown) => {
          expect(error).toBeInstanceOf(PowerCut);
          return true;
        },
      );
      disk.powerCut(createPrng(`outbox-${step}`));
      const again = await open(disk, new LogBook(), 'after the cut');
      await again.openSession(server.receive);
      while (again.backlog.inFlight > 0) await again.acknowledge(server.ack(again.outbox));
      expect(server.inferences()).toBeGreaterThanOrEqual(kept);
      expect(server.inferences()).toBeLessThanOrEqual(Math.min(12, tried));
      if (!cut) break;
      expect(step).toBeLessThan(500);
    }
  });

  it('when the journal rots in the middle, starts a new store under a new id and says what it lost', async () => {
    const disk = new MemoryDisk();
    const first = await open(disk);
    for (let i = 0; i < 5; i += 1) await first.appendWindow(draftOf(1));
    disk.flipBit(path, 600 * 8);
    const log = new LogBook();
    const second = await open(disk, log, 'another seed');
    expect(second.outbox).not.toBe(first.outbox);
    expect(second.backlog).toEqual({ unsent: 0, inFlight: 0, durable: 0 });
    expect(log.lines).toContainEqual(expect.objectContaining({ code: 'journal-corrupt' }));
    await second.appendWindow(draftOf(1));
    expect((await open(disk)).outbox).toBe(second.outbox);
  });

  it('when the disk is full, holds the counts in memory and writes them with the first that finds room', async () => {
    const disk = new MemoryDisk();
    const writer = await open(disk);
    expect(await writer.appendWindow(draftOf(1))).toBe('durable');
    disk.faults.capacityBytes = 10;
    expect(await writer.appendWindow(draftOf(2))).toBe('held');
    expect(await writer.appendWindow(draftOf(3))).toBe('held');
    disk.faults.capacityBytes = 1 << 20;
    expect(await writer.appendWindow(draftOf(4))).toBe('durable');
    const server = new WindowServer();
    await writer.openSession(server.receive);
    expect(server.inferences()).toBe(10);
    expect(server.windows.size).toBe(2);
  });

  it('when it runs for months, keeps its journal small', async () => {
    const disk = new MemoryDisk();
    const writer = await open(disk);
    const server = new WindowServer();
    await writer.openSession(server.receive);
    for (let i = 0; i < 3000; i += 1) {
      await writer.appendWindow(draftOf(1));
      await writer.acknowledge({ outbox: writer.outbox, durable: i + 1 });
    }
    expect(server.inferences()).toBe(3000);
    expect(await disk.size(path)).toBeLessThan(300 * 1024);
    expect((await open(disk)).backlog).toEqual({ unsent: 0, inFlight: 0, durable: 3000 });
  });
});
