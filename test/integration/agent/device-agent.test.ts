import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDeviceKey } from '../../../agent/adapters/device-key.ts';
import { createGrantedTransport } from '../../../agent/adapters/granted-transport.ts';
import { isolateSessions } from '../../../agent/adapters/isolated-runtime.ts';
import { DeviceAgent } from '../../../agent/runner/device-agent.ts';
import { enrolDevice, readEnrolment } from '../../../agent/runner/enrolment-desk.ts';
import type { Blame } from '../../../agent/runner/inference-desk.ts';
import { systemClock as clock } from '../../../shared/adapters/clock/system-clock.ts';
import { NodeDisk } from '../../../shared/adapters/disk/node-disk.ts';
import { HttpFetcher } from '../../../shared/adapters/http/http-fetcher.ts';
import { cryptoRandom as random } from '../../../shared/adapters/random/crypto-random.ts';
import { hexOf } from '../../../shared/core/bytes.ts';
import type { BootId, DeviceId, Digest } from '../../../shared/core/ids.ts';
import { codeOf } from '../../../shared/core/operating-error.ts';
import type { DeviceDisk } from '../../../shared/ports/device-disk.ts';
import type { Tensor } from '../../../shared/ports/inference-runtime.ts';
import type { ProcessIdentity } from '../../../shared/ports/process-host.ts';
import { createOnnxRuntime } from '../../../shared/runtime/onnx-runtime.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { CountingMetrics } from '../../../sim/world/counting-metrics.ts';
import { DeviceWorld, doubler, doublerBundle, worldFleet } from '../../support/device-world.ts';
import { leakModel, loopModel } from '../../support/onnx-graphs.ts';
import { silentLog } from '../../support/silent-ports.ts';

const v1 = doublerBundle('1.0.0');
const v2 = doublerBundle('2.0.0');
/** Passes its golden vectors only by luck: it never returns. */
const endless = doublerBundle('3.0.0', loopModel(4_611_686_018_427_387_904n));
/** Doubles, and keeps as much memory as an input says: small ones prove it, a large one shows what it is. */
const leaking = doublerBundle('4.0.0', leakModel(), {
  ...{ memoryBytesMax: 2 ** 28, runTimeoutMs: 30_000 },
});

let folder = '';
let world: DeviceWorld;
let lives: { readonly stop: AbortController; readonly life: Promise<void> }[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-device-'));
  world = await DeviceWorld.open([v1, v2, endless, leaking]);
  lives = [];
});

afterEach(async () => {
  await stopAll();
  await world.close();
  await rm(folder, { recursive: true });
});

const stopAll = async (): Promise<void> => {
  for (const { stop } of lives) stop.abort();
  await Promise.all(lives.map(({ life }) => life));
  lives = [];
};

const nodeDisk = (): NodeDisk =>
  new NodeDisk({ root: folder, onFsyncFailure: () => process.abort() });

async function enrol(root: Digest = digestOf(world.firstRoot)): Promise<string> {
  const fetcher = new HttpFetcher({ origin: world.origin });
  try {
    return await enrolDevice(
      { disk: nodeDisk(), fetcher, random },
      {
        server: {
          ...{ origin: world.origin, audience: world.origin },
          ...{ fleet: worldFleet, device: 'edge-1' as DeviceId },
        },
        claim: 'a-claim-for-the-device-world',
        root,
        deviceKey: () => openDeviceKey(join(folder, 'keys', 'device.key')),
      },
    );
  } finally {
    fetcher.close();
  }
}

interface StartOptions {
  readonly disk?: DeviceDisk;
  /** Asked before each request. */
  readonly beforeFetch?: (path: string) => Promise<void>;
  readonly isIsolated?: boolean;
  readonly started?: (trial: ProcessIdentity) => void;
  readonly askToBeKilled?: (blame: Blame) => void;
  /** Nothing of the server is reachable. */
  readonly isCut?: boolean;
}

async function start(options: StartOptions = {}): Promise<DeviceAgent> {
  const { disk = nodeDisk(), isIsolated = false, started = () => undefined } = options;
  const enrolment = await readEnrolment(disk);
  if (enrolment === undefined) throw new Error('the device is enrolled first');
  const origin = options.isCut === true ? 'http://127.0.0.1:9' : enrolment.server.origin;
  const http = new HttpFetcher({ origin });
  const runtime = createOnnxRuntime({ observer: { started, ended: () => undefined } });
  const agent = await DeviceAgent.open(
    {
      ...{ clock, random, disk, log: silentLog, metrics: new CountingMetrics() },
      fetcher: {
        fetch: async (request) => {
          await options.beforeFetch?.(request.path);
          return http.fetch(request);
        },
      },
      transport: createGrantedTransport({
        ...{ brokerUrl: undefined, ca: undefined, insecurePlaintext: false, host: '127.0.0.1' },
      }),
      runtime: isIsolated ? isolateSessions(runtime) : runtime,
    },
    {
      address: { fleet: worldFleet, device: enrolment.server.device },
      deviceKey: await openDeviceKey(join(folder, 'keys', 'device.key')),
      boot: hexOf(random.bytes(16)) as BootId,
      audience: enrolment.server.audience,
      claim: undefined,
      pinnedRoot: enrolment.pinnedRoot,
      ...{ agentVersion: '0.1.0', builtAtMs: Date.UTC(2025, 0, 1), zone: undefined },
      facts: { providers: 'cpu' },
      ...{ windowMs: 500, memoryBytesMax: 2 ** 30, monthlyBytesMax: undefined, threads: 1 },
      askToBeKilled: options.askToBeKilled ?? (() => undefined),
    },
  );
  const stop = new AbortController();
  lives.push({ stop, life: agent.run(stop.signal) });
  return agent;
}

const floats = (values: readonly number[]): ReadonlyMap<string, Tensor> => {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return new Map([['x', { type: 'float32', shape: [values.length], bytes }]]);
};

async function double(agent: DeviceAgent, values: readonly number[]): Promise<readonly number[]> {
  const { outputs } = await agent.infer(doubler, { kind: 'tensors', tensors: floats(values) });
  return [...new Float32Array(outputs.get('y')?.bytes.slice().buffer ?? new ArrayBuffer(0))];
}

/** Keeps asking, as a machine would, until what is waited for is true; the test's own timeout is the watchdog. */
async function inferUntil(agent: DeviceAgent, isTrue: () => boolean): Promise<void> {
  while (!isTrue()) {
    await double(agent, [1]).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const held = (agent: DeviceAgent): Digest | undefined =>
  agent.state.apps.get(doubler)?.held[0]?.digest;
/** A promise, and what resolves it. */
function signalled(): readonly [Promise<void>, () => void] {
  let resolve = (): void => undefined;
  const signal = new Promise<void>((done) => {
    resolve = done;
  });
  return [signal, () => resolve()];
}

/** Counts what is asked of the disk beyond reading. */
function watchWrites(disk: DeviceDisk) {
  const writes = { begun: 0, underWay: 0 };
  const names = ['append', 'replace', 'sync', 'truncate', 'rename', 'link', 'copy', 'remove'];
  const watched = new Proxy<DeviceDisk>(disk, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function') return value;
      if (!names.includes(String(name))) return value.bind(target) as unknown;
      return async (...asked: readonly unknown[]): Promise<unknown> => {
        writes.begun += 1;
        writes.underWay += 1;
        try {
          return (await Reflect.apply(value, target, asked)) as unknown;
        } finally {
          writes.underWay -= 1;
        }
      };
    },
  });
  return { disk: watched, writes };
}

const outcomes = [() => true, () => false] as const;
const isServing = (agent: DeviceAgent, digest: Digest): boolean => {
  const active = agent.activeModel(doubler);
  return active?.slot.digest === digest && active.host === 'worker';
};
const refused = (agent: DeviceAgent) =>
  agent.state.refusals.map(({ digest, reason }) => [digest, reason]);

describe('a device with a real disk, runtime, broker and server', () => {
  it('when a bundle is rolled out, commits it after probation and answers; after a restart offline, still', async () => {
    expect(await enrol()).toBe('accepted');
    const agent = await start();
    await world.rollOut(v1);
    await inferUntil(agent, () => held(agent) === v1.digest);
    expect(await double(agent, [3, -1])).toEqual([6, -2]);
    expect(agent.activeModel(doubler)?.bundle.config.version).toBe('1.0.0');
    await stopAll();

    const again = await start({ isCut: true });
    await inferUntil(again, () => again.activeModel(doubler) !== undefined);
    expect(await double(again, [5])).toEqual([10]);
  });

  it('when an input does not fit, refuses that input and keeps the model', async () => {
    await enrol();
    const agent = await start();
    await world.rollOut(v1);
    await inferUntil(agent, () => held(agent) === v1.digest);
    const bytes = new Uint8Array([1, 2, 3]);
    const wrong = [
      agent.infer(doubler, { kind: 'bytes', bytes }),
      agent.infer(doubler, { kind: 'tensors', tensors: new Map() }),
    ];
    for (const answer of wrong) {
      expect(await answer.catch(codeOf)).toBe('inference-input-mismatch');
    }
    expect(await double(agent, [2])).toEqual([4]);
    expect(refused(agent)).toEqual([]);
  });

  it('when the disk is full, keeps what runs, and installs once there is space', async () => {
    await enrol();
    let isFull = false;
    const disk = nodeDisk();
    const shrinking = new Proxy<DeviceDisk>(disk, {
      get: (target, name) => {
        if (name === 'freeBytes' && isFull) return async () => 0;
        const value = Reflect.get(target, name) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const agent = await start({ disk: shrinking });
    await world.rollOut(v1);
    await inferUntil(agent, () => held(agent) === v1.digest);
    isFull = true;
    await world.rollOut(v2);
    const waitsFor = () => {
      const attempt = agent.state.apps.get(doubler)?.attempt;
      return attempt?.phase === 'fetching' ? attempt.waitsFor : undefined;
    };
    await inferUntil(agent, () => waitsFor() === 'disk-full');
    expect(await double(agent, [1])).toEqual([2]);
    isFull = false;
    await inferUntil(agent, () => held(agent) === v2.digest);
    expect(refused(agent)).toEqual([]);
  });

  it('when it is stopped in the middle of a download, of windows and of acknowledgements, writes nothing once it has ended', async () => {
    await enrol();
    const { disk, writes } = watchWrites(nodeDisk());
    const [asked, ask] = signalled();
    const [released, release] = signalled();
    let isHeld = false;
    const beforeFetch = async (path: string): Promise<void> => {
      if (!isHeld || !path.startsWith('/v2/')) return;
      ask();
      await released;
    };
    const agent = await start({ disk, beforeFetch });
    await world.rollOut(v1);
    await inferUntil(agent, () => isServing(agent, v1.digest));
    isHeld = true;
    await world.rollOut(v2);
    await asked;
    await Promise.all(Array.from({ length: 20 }, () => double(agent, [1])));
    await stopAll();
    expect(writes.underWay).toBe(0);
    const { begun } = writes;
    release();
    // Long enough for the rest of the download, which comes from the same machine.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(writes.begun).toBe(begun);
    expect(begun).toBeGreaterThan(0);
    const again = await start();
    await inferUntil(again, () => isServing(again, v2.digest));
  });

  it('when a bundle hangs in its self-test, refuses it and keeps answering', async () => {
    await enrol();
    const agent = await start();
    await world.rollOut(v1);
    await inferUntil(agent, () => held(agent) === v1.digest);
    await world.rollOut(endless);
    await inferUntil(agent, () => refused(agent).length > 0);
    expect(refused(agent)).toEqual([[endless.digest, 'inference-timeout']]);
    expect(await double(agent, [4])).toEqual([8]);
  });

  it('when an isolated committed model keeps taking its process down, judges it and goes back', async () => {
    await enrol();
    const pids: number[] = [];
    const agent = await start({ isIsolated: true, started: ({ pid }) => pids.push(pid) });
    await world.rollOut(v1);
    await inferUntil(agent, () => held(agent) === v1.digest);
    await world.rollOut(v2);
    await inferUntil(agent, () => held(agent) === v2.digest);
    // Each time once it answers again, as a fault on some input would: what is still loading is left alone.
    while (refused(agent).length === 0) {
      const isUp = await double(agent, [1]).then(...outcomes);
      const last = pids.at(-1);
      if (isUp && isServing(agent, v2.digest) && last !== undefined) killQuietly(last);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(refused(agent)).toEqual([[v2.digest, 'model-crashed']]);
    await inferUntil(agent, () => agent.activeModel(doubler)?.slot.digest === v1.digest);
    expect(await double(agent, [8])).toEqual([16]);
  });

  it.each([
    ['shares the agent', false],
    ['has a process of its own', true],
  ])(
    'when a committed model that %s takes more memory than it may, judges it and goes back',
    async (_where, isIsolated) => {
      await enrol();
      const blamed: Blame[] = [];
      const agent = await start({ isIsolated, askToBeKilled: (blame) => blamed.push(blame) });
      await world.rollOut(v1);
      await inferUntil(agent, () => isServing(agent, v1.digest));
      await world.rollOut(leaking);
      // Until then the trial's process still answers, which is killed for less.
      await inferUntil(agent, () => {
        const running = agent.state.apps.get(doubler)?.running;
        return running?.slot.digest === leaking.digest && running.host === 'worker';
      });
      // 480 MB of zeros; 256 MiB are allowed.
      await double(agent, [120_000_000]).catch(() => undefined);
      await inferUntil(agent, () => refused(agent).length > 0);
      expect(refused(agent)).toEqual([[leaking.digest, 'memory-limit']]);
      expect(agent.state.apps.get(doubler)?.outcome).toMatchObject({
        ...{ kind: 'reverted', reason: 'memory-limit', regressed: true },
      });
      // What leaked into the agent's own process goes with that process; the verdict was on disk before.
      const { path } = agent.state.refusals[0] ?? expect.unreachable();
      expect(blamed).toEqual(isIsolated ? [] : [{ slot: path, code: 'memory-limit' }]);
      await stopAll();
      const again = await start({ isCut: true, isIsolated });
      await inferUntil(again, () => isServing(again, v1.digest));
      expect(await double(again, [7])).toEqual([14]);
      expect(refused(again)).toEqual([[leaking.digest, 'memory-limit']]);
    },
  );

  it('when the server shows another root than the enrolment string names, sends and keeps nothing', async () => {
    const other = `sha256:${'0'.repeat(64)}` as Digest;
    expect(await enrol(other).catch(codeOf)).toBe('root-mismatch');
    expect(await readEnrolment(nodeDisk())).toBeUndefined();
    expect(await nodeDisk().list('keys')).toEqual([]);
    expect(await enrol()).toBe('accepted');
    expect(await enrol().catch(codeOf)).toBe('already-enrolled');
  });
});

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
