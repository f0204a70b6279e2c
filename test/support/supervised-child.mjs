// A child that misbehaves as told. Arguments: journal file, endless model file, behaviours (one per
// start, the last for ever).
import { appendFileSync, readFileSync } from 'node:fs';
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
    started: (trial) => {
      trialPid = trial.pid;
      link.trialStarted(trial);
    },
    ended: (trial) => link.trialEnded(trial),
  },
});
const open = (host) =>
  runtime.open({
    model: { kind: 'slot', graphPath: modelPath },
    host,
    limits: {
      loadTimeoutMs: 60_000,
      runTimeoutMs: host === 'worker' ? 300 : 600_000,
      memoryBytesMax: 2 ** 31,
      queueMax: 4,
    },
    options: { provider: 'cpu', threads: 1, graphOptimization: 'all' },
  });
const input = new Map([
  ['x', { type: 'float32', shape: [1], bytes: new Uint8Array(new Float32Array([1]).buffer) }],
]);

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
