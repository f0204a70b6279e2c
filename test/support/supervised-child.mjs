// A child that misbehaves as told. Arguments: journal file, endless model file, behaviours (one per
// start, the last for ever).
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createSupervisorLink } from '../../dist/agent/adapters/supervisor-link.js';
import { createOnnxRuntime } from '../../dist/shared/runtime/onnx-runtime.js';

const [journal, modelPath, behaviours] = process.argv.slice(2);
const names = behaviours.split(',');
const starts = readFileSync(journal, 'utf8').split('\n').length - 1;
const behaviour = names[Math.min(starts, names.length - 1)];

const link = createSupervisorLink({ heartbeatMs: 100, arguments: process.argv.slice(2) });
const write = (entry) => appendFileSync(journal, `${JSON.stringify(entry)}\n`);
const idle = setInterval(() => undefined, 1_000);

let trialPid = 0;
const runtime = createOnnxRuntime({
  observer: {
    ...link.trials,
    started: (trial, terms) => {
      trialPid = trial.pid;
      link.trials.started(trial, terms);
    },
  },
});
const fileBeside = (name) => join(dirname(modelPath), name);
const open = (host, { graphPath = modelPath, ...limits } = {}) =>
  runtime.open({
    model: { kind: 'slot', graphPath },
    host,
    limits: {
      loadTimeoutMs: 60_000,
      runTimeoutMs: host === 'worker' ? 300 : 600_000,
      memoryBytesMax: 2 ** 31,
      queueMax: 4,
      ...limits,
    },
    options: { provider: 'cpu', threads: 1, graphOptimization: 'all' },
  });
const inputOf = (value) =>
  new Map([
    ['x', { type: 'float32', shape: [1], bytes: new Uint8Array(new Float32Array([value]).buffer) }],
  ]);
const input = inputOf(1);
const outcomeOf = (call) =>
  call.then(
    () => 'answered',
    ({ code }) => code,
  );
/** The control thread does nothing else until the test says so. */
const block = () => {
  while (!existsSync(fileBeside('released')));
};

const perform = {
  crash: () => process.exit(3),
  busy: () => {
    for (;;);
  },
  // The native call hangs in a worker: the control thread judges it and asks for the end.
  hang: async () => {
    const session = await open('worker');
    await session.run(input).catch(({ code }) => link.askToBeKilled({ slot: 'endless', code }));
  },
  // Dies while its trial hangs in a native call, which nothing inside the trial can end.
  abandon: async () => {
    const session = await open('process');
    void session.run(input).catch(() => undefined);
    write({ trialPid });
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), 500);
  },
  // The trial takes memory while nobody in here can look at it.
  bomb: async () => {
    const graphPath = fileBeside('fill.onnx');
    const session = await open('process', { graphPath, memoryBytesMax: 400 * 2 ** 20 });
    const outcome = outcomeOf(session.run(inputOf(400_000_000)));
    write({ trialPid });
    block();
    write({ outcome: await outcome });
  },
  // The trial hangs past its deadline while nobody in here can look at it.
  stall: async () => {
    const session = await open('process', { runTimeoutMs: 1_500 });
    const outcome = outcomeOf(session.run(input));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    write({ trialPid });
    block();
    write({ outcome: await outcome });
  },
  // Grows beyond what it said that it may take.
  swell: async () => {
    const kept = [];
    link.guardMemory(process.memoryUsage.rss() + 128 * 2 ** 20, () => write({ warned: true }));
    for (;;) {
      if (kept.length < 18) kept.push(Buffer.alloc(8 * 2 ** 20, 1));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
  serve: () => {
    process.on('SIGTERM', () => {
      clearInterval(idle);
      link.close();
    });
  },
  deaf: () => process.on('SIGTERM', () => undefined),
  hopeless: () => process.exit(78),
};
write({ behaviour, pid: process.pid, previousExit: link.previousExit });
await perform[behaviour]();
