import { arch, cpus } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { Bench } from './bench.ts';
import { openOnnxSession } from './onnx-session.ts';

/** The runtime that devices use, on the machine this process runs on. */
export const nativeBench: Bench = {
  openSession: openOnnxSession,
  monotonicMs: () => performance.now(),
  machineClass: `${arch()} ${cpus()[0]?.model ?? 'unknown'}`.slice(0, 128),
};
