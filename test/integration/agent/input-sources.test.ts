import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Aedes } from 'aedes';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LocalTopic } from '../../../agent/adapters/inputs/local-topic.ts';
import { ReplayFiles } from '../../../agent/adapters/inputs/replay-files.ts';
import { WatchedFolder } from '../../../agent/adapters/inputs/watched-folder.ts';
import type { InputItem } from '../../../agent/ports/input-source.ts';
import { InputPump } from '../../../agent/runner/input-pump.ts';
import { systemClock as clock } from '../../../shared/adapters/clock/system-clock.ts';
import { openLocalBroker } from '../../../shared/adapters/mqtt/local-broker.ts';
import { cryptoRandom as random } from '../../../shared/adapters/random/crypto-random.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import type { AppName } from '../../../shared/core/ids.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import { sha256Hex } from '../../../shared/trust/hash.ts';
import { silentLog as log } from '../../support/silent-ports.ts';

const app = 'sizer' as AppName;
let folder = '';
let stop = new AbortController();
let pumping: Promise<void> = Promise.resolve();
let hasModel = true;
/** The bundle's default answer stands in. */
let isByDefault = false;
const labels: (string | undefined)[] = [];

/** Answers with the size of the input; without a model, as the agent does. */
const pump = new InputPump({
  log,
  infer: async (_app, input, label) => {
    if (!hasModel) throw new OperatingError('no-model', 'nothing answers', { retryable: true });
    labels.push(label);
    if (input.kind !== 'bytes' || input.bytes.length === 0) {
      throw new OperatingError('inference-input-mismatch', 'an empty input');
    }
    const answer = { predicted: 0, label: `${input.bytes.length} bytes`, confidence: 1 };
    const marked = isByDefault ? ({ isDefault: true } as const) : {};
    return { ...answer, ...marked, values: [], latencyMs: 1, runMs: 1, outputs: new Map() };
  },
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-inputs-'));
  stop = new AbortController();
  hasModel = true;
  isByDefault = false;
  labels.length = 0;
});

afterEach(async () => {
  stop.abort();
  await pumping;
  await rm(folder, { recursive: true });
});

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await Promise.resolve(isTrue()))) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('given a watched folder, each file gets one answer beside it, a second start repeats none, and no model means later', async () => {
  const inputs = join(folder, 'in');
  await mkdir(inputs);
  await writeFile(join(inputs, 'a.mjs'), 'abc');
  await writeFile(join(inputs, 'empty'), '');
  await writeFile(join(inputs, '.hidden'), 'x');
  hasModel = false;
  const watch = () =>
    new WatchedFolder({ app, folder: inputs, answers: undefined, labels: 'extension', clock });
  pumping = pump.run(watch(), stop.signal);
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(await readdir(inputs)).toEqual(['.hidden', 'a.mjs', 'empty']);
  hasModel = true;
  await until(async () => {
    const names = await readdir(inputs);
    return names.includes('a.mjs.answer.json') && names.includes('empty.answer.json');
  });
  const read = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(inputs, name), 'utf8'));
  expect(await read('a.mjs.answer.json')).toMatchObject({ label: '3 bytes', confidence: 1 });
  expect(await read('empty.answer.json')).toMatchObject({ code: 'inference-input-mismatch' });
  expect([...labels].sort()).toEqual(['js', undefined]);

  stop.abort();
  await pumping;
  stop = new AbortController();
  pumping = pump.run(watch(), stop.signal);
  await writeFile(join(inputs, 'b.ts'), 'abcd');
  await until(async () => (await readdir(inputs)).includes('b.ts.answer.json'));
  expect(labels.slice(2)).toEqual(['ts']);
  expect(await read('b.ts.answer.json')).not.toHaveProperty('default');

  isByDefault = true;
  await writeFile(join(inputs, 'c.md'), 'abcde');
  await until(async () => (await readdir(inputs)).includes('c.md.answer.json'));
  expect(await read('c.md.answer.json')).toMatchObject({ label: '5 bytes', default: true });
});

async function labelOfNext(items: AsyncIterator<InputItem>): Promise<string | undefined> {
  const next = await items.next();
  return next.done === true ? undefined : next.value.label;
}

test('given recorded files, they come in name order, again and again, and are read once', async () => {
  await mkdir(join(folder, 'deep'));
  await writeFile(join(folder, 'b.cjs'), 'b');
  await writeFile(join(folder, 'deep', 'a.mts'), 'a');
  await writeFile(join(folder, 'list'), `${join(folder, 'b.cjs')}\n`);
  const source = new ReplayFiles({
    ...{ app, clock, log, perSecond: 500, labels: 'extension' },
    ...{ paths: [join(folder, 'deep')], list: join(folder, 'list') },
  });
  pumping = pump.run(source, stop.signal);
  await until(() => labels.length >= 5);
  expect(labels.slice(0, 4)).toEqual(['js', 'ts', 'js', 'ts']);

  const items = source.items(stop.signal);
  const nextLabel = () => labelOfNext(items);
  expect(await nextLabel()).toBe('js');
  await rm(join(folder, 'b.cjs'));
  // What was read once is not read again.
  expect([await nextLabel(), await nextLabel()]).toEqual(['ts', 'js']);
});

test('given a recorded file that is gone when its turn comes, it is passed over', async () => {
  for (const name of ['a.js', 'b.ts', 'c.js']) await writeFile(join(folder, name), name);
  const source = new ReplayFiles({
    ...{ app, clock, log, perSecond: 500, labels: 'extension' },
    ...{ paths: ['a.js', 'b.ts', 'c.js'].map((name) => join(folder, name)), list: undefined },
  });
  const items = source.items(stop.signal);
  const nextLabel = () => labelOfNext(items);
  expect(await nextLabel()).toBe('js');
  await rm(join(folder, 'b.ts'));
  expect([await nextLabel(), await nextLabel()]).toEqual(['js', 'js']);
});

test('given a local broker, a message is answered on the second topic, over a broken connection too', async () => {
  const { server, url } = await startBroker();
  const source = new LocalTopic({
    ...{ app, url, topic: 'camera/in', answerTopic: 'camera/out', clientId: 'skein-test' },
    ...{ login: undefined, clock, random, log },
  });
  pumping = pump.run(source, stop.signal);
  const heard: Record<string, unknown>[] = [];
  const machine = await openLocalBroker(
    { url, clientId: 'machine', topic: 'camera/out' },
    {
      received: (_topic, bytes) => {
        heard.push(JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>);
      },
      closed: () => undefined,
    },
  );
  const say = async (text: string): Promise<void> => {
    const sha256 = sha256Hex(utf8(text));
    // Until the source has subscribed, nobody takes the message.
    while (!heard.some((answer) => answer['sha256'] === sha256)) {
      await machine.publish('camera/in', utf8(text));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  await say('hello');
  expect(heard[0]).toMatchObject({ label: '5 bytes', sha256: sha256Hex(utf8('hello')) });
  server.dropOthers();
  await say('again!');
  isByDefault = true;
  await say('by default');
  const marked = heard.find(({ sha256 }) => sha256 === sha256Hex(utf8('by default')));
  expect(marked).toMatchObject({ label: '10 bytes', default: true });
  expect(heard[0]).not.toHaveProperty('default');
  stop.abort();
  await pumping;
  machine.close();
  await server.close();
});

async function startBroker() {
  const broker = await Aedes.createBroker();
  const tcp: Server = createServer((socket) => void broker.handle(socket));
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const { port } = tcp.address() as AddressInfo;
  const clients = new Map<string, { readonly close: () => void }>();
  broker.on('client', (client) => clients.set(client.id, { close: () => client.close() }));
  const server = {
    dropOthers: () => clients.get('skein-test')?.close(),
    close: async () => {
      await new Promise<void>((resolve) => broker.close(() => resolve()));
      tcp.close();
    },
  };
  return { server, url: `mqtt://127.0.0.1:${port}` };
}
