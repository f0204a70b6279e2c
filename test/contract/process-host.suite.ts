import { afterEach, describe, expect, test } from 'vitest';
import type { ChildProcess, ProcessHost } from '../../shared/ports/process-host.ts';

/**
 * The host knows one program, `child`, whose first argument chooses what it does: `echo` sends `{ready: arguments}`
 * and then `{echo}` of each message, until `{exit: code}`; `stubborn` does the same and answers SIGTERM with
 * `{heard: 'SIGTERM'}`; `talker` sends 100 messages, `{last: true}`, and exits with 7; `broken` throws.
 */
export interface ProcessHostUnderTest {
  readonly host: ProcessHost;
  readonly birthOf: (pid: number) => string | undefined;
  /** Lets time pass until the promise settles. */
  readonly run: <T>(promise: Promise<T>) => Promise<T>;
}

/** One child with what it said and how it ended; `said` and `ended` wait. */
class Observed {
  readonly messages: unknown[] = [];
  readonly exits: unknown[] = [];
  readonly messagesAtExit: number[] = [];
  #changed: () => void = () => undefined;

  message(message: unknown): void {
    this.messages.push(message);
    this.#changed();
  }

  exited(exit: unknown): void {
    this.exits.push(exit);
    this.messagesAtExit.push(this.messages.length);
    this.#changed();
  }

  async until(isReached: () => boolean): Promise<void> {
    while (!isReached()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

export function processHostSuite(name: string, open: () => ProcessHostUnderTest): void {
  describe(`ProcessHost: ${name}`, () => {
    const living: ChildProcess[] = [];
    afterEach(() => {
      for (const child of living.splice(0)) child.kill('SIGKILL');
    });
    const start = async (
      under: ProcessHostUnderTest,
      ...given: readonly string[]
    ): Promise<{ child: ChildProcess; seen: Observed }> => {
      const seen = new Observed();
      const spawned = under.host.spawn({ program: 'child', arguments: given }, seen);
      const child = await under.run(spawned);
      living.push(child);
      return { child, seen };
    };
    const firstWord = (seen: Observed) => () => seen.messages.length > 0;
    const end = (seen: Observed) => () => seen.exits.length > 0;

    test('when the program is unknown, spawn throws spawn-failed', async () => {
      const { host, run } = open();
      const unknown = { program: '/bin/sh', arguments: [] };
      await expect(run(host.spawn(unknown, new Observed()))).rejects.toMatchObject({
        code: 'spawn-failed',
      });
    });

    test('when a child is spawned, it has its arguments, is heard and hears', async () => {
      const under = open();
      const { child, seen } = await start(under, 'echo', 'a b', '--c');
      await under.run(seen.until(firstWord(seen)));
      child.send({ text: 'ü', list: [1, null] });
      await under.run(seen.until(() => seen.messages.length > 1));
      expect(seen.messages).toEqual([
        { ready: ['a b', '--c'] },
        { echo: { text: 'ü', list: [1, null] } },
      ]);
      expect(seen.exits).toEqual([]);
    });

    test('when a child exits, its code comes once, after its last message', async () => {
      const under = open();
      const { child, seen } = await start(under, 'talker');
      await under.run(seen.until(end(seen)));
      expect(seen.exits).toEqual([{ code: 7, signal: null }]);
      expect(seen.messagesAtExit).toEqual([101]);
      expect(seen.messages.at(-1)).toEqual({ last: true });
      child.send({ too: 'late' });
      child.kill('SIGTERM');
      expect(await under.run(child.residentBytes())).toBeUndefined();
      expect(seen.exits).toHaveLength(1);
    });

    test('when a child throws, it ends with code 1', async () => {
      const under = open();
      const { seen } = await start(under, 'broken');
      await under.run(seen.until(end(seen)));
      expect(seen.exits).toEqual([{ code: 1, signal: null }]);
    });

    test('when a child does not listen for SIGTERM, the signal ends it', async () => {
      const under = open();
      const { child, seen } = await start(under, 'echo');
      await under.run(seen.until(firstWord(seen)));
      child.kill('SIGTERM');
      await under.run(seen.until(end(seen)));
      expect(seen.exits).toEqual([{ code: null, signal: 'SIGTERM' }]);
    });

    test('when a child resists SIGTERM, SIGKILL ends it', async () => {
      const under = open();
      const { child, seen } = await start(under, 'stubborn');
      await under.run(seen.until(firstWord(seen)));
      child.kill('SIGTERM');
      await under.run(seen.until(() => seen.messages.length > 1));
      expect(seen.messages.at(-1)).toEqual({ heard: 'SIGTERM' });
      child.kill('SIGKILL');
      await under.run(seen.until(end(seen)));
      expect(seen.exits).toEqual([{ code: null, signal: 'SIGKILL' }]);
    });

    test('when a child lives, its memory is known', async () => {
      const under = open();
      const { child, seen } = await start(under, 'echo');
      await under.run(seen.until(firstWord(seen)));
      expect(await under.run(child.residentBytes())).toBeGreaterThan(1024 * 1024);
    });

    test('when a process is looked at and killed by its identity, its birth must match too', async () => {
      const under = open();
      const { child, seen } = await start(under, 'echo');
      await under.run(seen.until(firstWord(seen)));
      const birth = under.birthOf(child.pid) ?? expect.unreachable();
      const another = { pid: child.pid, birth: `${birth}0` };
      under.host.kill(another);
      expect(await under.run(under.host.residentBytesOf(another))).toBeUndefined();
      child.send('still there');
      await under.run(seen.until(() => seen.messages.length > 1));
      const identity = { pid: child.pid, birth };
      expect(await under.run(under.host.residentBytesOf(identity))).toBeGreaterThan(1024 * 1024);
      under.host.kill(identity);
      await under.run(seen.until(end(seen)));
      expect(seen.exits).toEqual([{ code: null, signal: 'SIGKILL' }]);
      under.host.kill(identity);
      expect(await under.run(under.host.residentBytesOf(identity))).toBeUndefined();
    });
  });
}
