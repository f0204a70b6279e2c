import { expect, test } from 'vitest';
import { createNodeProcessHost } from '../../agent/supervisor/adapters/node-process-host.ts';
import { birthOf } from '../../shared/adapters/proc-file.ts';
import { WorldTime } from '../../sim/world/sim-clock.ts';
import { type SimProcess, SimProcessHost } from '../../sim/world/sim-process-host.ts';
import { TimeLoop } from '../../sim/world/time-loop.ts';
import { type ProcessHostUnderTest, processHostSuite } from './process-host.suite.ts';

processHostSuite('child processes', () => ({
  host: createNodeProcessHost(
    new Map([['child', new URL('./child-program.mjs', import.meta.url)]]),
  ),
  birthOf,
  run: (promise) => promise,
}));
processHostSuite('virtual processes', () => virtual());

test('when this Node refuses a flag that keeps children small, the next start does without', async () => {
  const program = new URL('./child-program.mjs', import.meta.url);
  const small = { nodeFlags: ['--no-such-flag-of-any-node'], environment: {} };
  const host = createNodeProcessHost(new Map([['child', program]]), small);
  const asked = { program: 'child', arguments: ['talker'] };
  const ended = () =>
    new Promise<number | null>((resolve) => {
      void host.spawn(asked, { message: () => undefined, exited: ({ code }) => resolve(code) });
    });
  expect(await ended()).toBe(9);
  expect(await ended()).toBe(7);
});

interface Virtual extends ProcessHostUnderTest {
  readonly host: SimProcessHost;
  readonly loop: TimeLoop;
  readonly spawned: SimProcess[];
}

function virtual(): Virtual {
  const time = new WorldTime();
  const loop = new TimeLoop(time);
  const spawned: SimProcess[] = [];
  const program = async (self: SimProcess): Promise<number> => {
    spawned.push(self);
    return childProgram(self);
  };
  const host = new SimProcessHost(new Map([['child', program]]), time);
  return {
    host,
    loop,
    spawned,
    birthOf: (pid) => spawned.find((self) => self.pid === pid)?.birth,
    run: (promise) => loop.runUntil(promise),
  };
}

async function childProgram(self: SimProcess): Promise<number> {
  const [kind, ...rest] = self.arguments;
  if (kind === 'broken') throw new Error('broken on purpose');
  if (kind === 'talker') {
    for (let i = 0; i < 100; i += 1) self.send({ i });
    self.send({ last: true });
    return 7;
  }
  if (kind === 'stubborn') self.onTerminate(() => self.send({ heard: 'SIGTERM' }));
  self.send({ ready: rest });
  return new Promise((resolve) => {
    self.onMessage((message) => {
      const { exit } = message as { readonly exit?: number };
      if (exit === undefined) self.send({ echo: message });
      else resolve(exit);
    });
  });
}

test('when a virtual process hangs, it neither speaks nor hears, and only SIGKILL ends it', async () => {
  const { host, loop, spawned } = virtual();
  const heard: unknown[] = [];
  const exits: unknown[] = [];
  const child = await loop.runUntil(
    host.spawn(
      { program: 'child', arguments: ['stubborn'] },
      { message: (message) => heard.push(message), exited: (exit) => exits.push(exit) },
    ),
  );
  await loop.runFor(1);
  host.faults.hungPids.add(child.pid);
  child.send('anybody?');
  child.kill('SIGTERM');
  spawned[0]?.send('never heard');
  await loop.runFor(1);
  expect([heard, exits]).toEqual([[{ ready: [] }], []]);
  child.kill('SIGKILL');
  await loop.runFor(1);
  expect(exits).toEqual([{ code: null, signal: 'SIGKILL' }]);
  expect(spawned[0]?.ended.aborted).toBe(true);
});

test('when the power goes, virtual processes are gone and nobody is told', async () => {
  const { host, loop, spawned } = virtual();
  const exits: unknown[] = [];
  await loop.runUntil(
    host.spawn(
      { program: 'child', arguments: ['echo'] },
      { message: () => undefined, exited: (exit) => exits.push(exit) },
    ),
  );
  await loop.runFor(1);
  host.powerCut();
  await loop.runFor(1);
  expect(exits).toEqual([]);
  expect(spawned[0]?.ended.aborted).toBe(true);
});
