import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Aedes } from 'aedes';
import { expect, test } from 'vitest';
import { LocalTopic } from '../../agent/adapters/inputs/local-topic.ts';
import { ReplayFiles } from '../../agent/adapters/inputs/replay-files.ts';
import { WatchedFolder } from '../../agent/adapters/inputs/watched-folder.ts';
import { InputPump } from '../../agent/runner/input-pump.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import { cryptoRandom as random } from '../../shared/adapters/random/crypto-random.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { AppName } from '../../shared/core/ids.ts';
import { sha256Hex } from '../../shared/trust/hash.ts';
import { MemoryInputSource } from '../../sim/world/memory-input-source.ts';
import { RecordingLog } from '../../sim/world/recording-log.ts';
import { silentLog } from '../support/silent-ports.ts';
import {
  bytesOf,
  type GivenInput,
  type InputSourceUnderTest,
  inputSourceSuite,
  pushedSourceSuite,
  type ToldEnd,
  unreadable,
} from './input-source.suite.ts';

const app = 'sizer' as AppName;
const makeFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'skein-source-'));
const endIn = (answer: string, about: string | undefined): ToldEnd => {
  const { label, code } = JSON.parse(answer) as { readonly label?: string; readonly code?: string };
  return { about, label, code };
};

const textOf = (input: GivenInput | undefined): string | undefined =>
  typeof input === 'string' ? input : undefined;

/** Files whose names order them; returns the names. */
async function writeInputs(folder: string, inputs: readonly GivenInput[]): Promise<string[]> {
  const names: string[] = [];
  for (const [place, input] of inputs.entries()) {
    const name = `${place}.in`;
    await writeFile(join(folder, name), input === unreadable ? '' : input);
    // A hole: nobody has to write 16 MiB for it.
    if (input === unreadable) await truncate(join(folder, name), limits.inputBytesMax + 1);
    names.push(name);
  }
  return names;
}

async function openFolder(inputs: readonly GivenInput[]): Promise<InputSourceUnderTest> {
  const folder = await makeFolder();
  await writeInputs(folder, inputs);
  return {
    source: new WatchedFolder({ app, folder, answers: undefined, labels: 'none', clock }),
    told: async () => {
      const answers = (await readdir(folder)).filter((name) =>
        /^\d+\.in\.answer\.json$/.test(name),
      );
      return Promise.all(
        answers.map(async (name) =>
          endIn(
            await readFile(join(folder, name), 'utf8'),
            textOf(inputs[Number.parseInt(name, 10)]),
          ),
        ),
      );
    },
    close: () => rm(folder, { recursive: true }),
  };
}

async function openReplay(inputs: readonly GivenInput[]): Promise<InputSourceUnderTest> {
  const folder = await makeFolder();
  await writeInputs(folder, inputs);
  const log = new RecordingLog();
  const pace = { perSecond: 1000, labels: 'none' } as const;
  return {
    source: new ReplayFiles({ app, paths: [folder], list: undefined, ...pace, clock, log }),
    told: async () =>
      log.entries.map(({ fields }) => ({
        ...{ about: undefined, label: undefined },
        code: String(fields['code']),
      })),
    close: () => rm(folder, { recursive: true }),
  };
}

/** A real broker on a real socket; what it is given goes out when the source has subscribed. */
async function openTopic(inputs: readonly GivenInput[]): Promise<InputSourceUnderTest> {
  const broker = await Aedes.createBroker();
  const tcp = createServer((socket) => void broker.handle(socket));
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const about = new Map<string, string | undefined>();
  const told: ToldEnd[] = [];
  const publish = async (texts: readonly GivenInput[]): Promise<void> => {
    for (const text of texts) {
      const payload = Buffer.from(bytesOf(text));
      about.set(sha256Hex(payload), textOf(text));
      const frame = {
        cmd: 'publish',
        topic: 'camera/in',
        qos: 1,
        dup: false,
        retain: false,
      } as const;
      await new Promise<void>((resolve) => broker.publish({ ...frame, payload }, () => resolve()));
    }
  };
  broker.on('subscribe', () => void publish(inputs));
  broker.on('publish', ({ topic, payload }) => {
    if (topic !== 'camera/out') return;
    const { sha256 } = JSON.parse(payload.toString()) as { readonly sha256: string };
    told.push(endIn(payload.toString(), about.get(sha256)));
  });
  const url = `mqtt://127.0.0.1:${(tcp.address() as AddressInfo).port}`;
  const topics = { topic: 'camera/in', answerTopic: 'camera/out', clientId: 'skein-suite' };
  return {
    source: new LocalTopic({
      ...{ app, url, ...topics, login: undefined, clock, random },
      log: silentLog,
    }),
    told: async () => told,
    push: publish,
    close: async () => {
      await new Promise<void>((resolve) => broker.close(() => resolve()));
      tcp.close();
    },
  };
}

async function openMemory(inputs: readonly GivenInput[]): Promise<InputSourceUnderTest> {
  const told: ToldEnd[] = [];
  const source = new MemoryInputSource({
    name: 'suite',
    told: (outcome, { input }) => {
      const text = input.kind === 'bytes' ? new TextDecoder().decode(input.bytes) : undefined;
      told.push({
        about: text,
        label: outcome.ok ? outcome.answer.label : undefined,
        code: outcome.ok ? undefined : outcome.code,
      });
    },
  });
  const push = async (texts: readonly GivenInput[]): Promise<void> => {
    for (const text of texts) source.push({ app, input: { kind: 'bytes', bytes: bytesOf(text) } });
  };
  await push(inputs);
  return { source, told: async () => told, push, close: async () => undefined };
}

inputSourceSuite({
  ...{ kind: 'folder', answersGo: 'back', open: openFolder },
  openBroken: async () => {
    const folder = await makeFolder();
    await writeFile(join(folder, 'file'), '');
    const at = { folder: join(folder, 'file'), answers: undefined };
    const source = new WatchedFolder({ app, ...at, labels: 'none', clock });
    return { source, told: async () => [], close: () => rm(folder, { recursive: true }) };
  },
});
inputSourceSuite({
  ...{ kind: 'replay', answersGo: 'nowhere', open: openReplay },
  openBroken: async () => {
    const folder = await makeFolder();
    const from = {
      paths: [],
      list: join(folder, 'no-list'),
      perSecond: 1,
      labels: 'none',
    } as const;
    const source = new ReplayFiles({ app, ...from, clock, log: silentLog });
    return { source, told: async () => [], close: () => rm(folder, { recursive: true }) };
  },
});
inputSourceSuite({ kind: 'topic', answersGo: 'back', open: openTopic });
inputSourceSuite({
  ...{ kind: 'memory', answersGo: 'back', open: openMemory },
  openBroken: async () => {
    const source = new MemoryInputSource({ name: 'suite', told: () => undefined });
    source.faults.isGone = true;
    return { source, told: async () => [], close: async () => undefined };
  },
});
pushedSourceSuite({ kind: 'topic', answersGo: 'back', open: openTopic });
pushedSourceSuite({ kind: 'memory', answersGo: 'back', open: openMemory });

test('when a folder cannot take the answer, whoever answers learns a code, and the file comes again', async () => {
  const folder = await makeFolder();
  await mkdir(join(folder, 'in'));
  await writeInputs(join(folder, 'in'), ['a']);
  const answers = join(folder, 'out');
  const at = { folder: join(folder, 'in'), answers };
  const source = new WatchedFolder({ app, ...at, labels: 'none', clock });
  const stop = new AbortController();
  const items = source.items(stop.signal);
  const first = await items.next();
  await rm(answers, { recursive: true });
  const outcome = { ok: false, code: 'inference-input-mismatch', message: '' } as const;
  const answering = first.done === true ? undefined : first.value.answered(outcome);
  await expect(answering).rejects.toMatchObject({ code: 'file-missing' });
  const again = await items.next();
  expect(again.done).toBe(false);
  stop.abort();
  await rm(folder, { recursive: true });
});

test('when a folder can neither read a file nor say so, the next file still comes', async () => {
  const folder = await makeFolder();
  await mkdir(join(folder, 'in'));
  await writeInputs(join(folder, 'in'), ['first', unreadable, 'last']);
  const answers = join(folder, 'out');
  const at = { folder: join(folder, 'in'), answers };
  const stop = new AbortController();
  const items = new WatchedFolder({ app, ...at, labels: 'none', clock }).items(stop.signal);
  const texts: string[] = [];
  for (let i = 0; i < 2; i += 1) {
    const item = await items.next();
    const input = item.done === true ? undefined : item.value.input;
    texts.push(input?.kind === 'bytes' ? Buffer.from(input.bytes).toString() : 'none');
    await rm(answers, { recursive: true, force: true });
  }
  expect(texts).toEqual(['first', 'last']);
  stop.abort();
  await rm(folder, { recursive: true });
});

test('when a pump carries inputs from the twin, each is answered once, failures too', async () => {
  const told: string[] = [];
  const source = new MemoryInputSource({
    name: 'pump',
    told: (outcome) => told.push(outcome.ok ? 'ok' : outcome.code),
  });
  // A second answer is an error of the twin, which the pump tells as one that was not delivered.
  const log = new RecordingLog();
  const pump = new InputPump({
    log,
    infer: async (_app, input) => {
      if (input.kind !== 'bytes' || input.bytes.length === 0) throw new Error('nothing to look at');
      const answer = { predicted: 0, label: undefined, confidence: 1, values: [] };
      return { ...answer, latencyMs: 1, runMs: 1, outputs: new Map() };
    },
  });
  for (const length of [1, 0, 2]) {
    source.push({ app, input: { kind: 'bytes', bytes: new Uint8Array(length) } });
  }
  const stop = new AbortController();
  const pumping = pump.run(source, stop.signal);
  stop.abort();
  await pumping;
  expect(told.sort()).toEqual(['ok', 'ok', 'unexpected']);
  expect(log.entries).toEqual([]);
});
