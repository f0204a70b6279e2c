import { limits } from '../contracts/limits.ts';
import type { OpenSession, SessionOptions } from '../ports/inference-runtime.ts';
import { tinyModel } from './graph-bytes.ts';

/** The smallest session that proves a provider, in a process of its own: a broken one takes nothing with it. */
export const probeRequest = (provider: SessionOptions['provider']): OpenSession => ({
  model: { kind: 'memory', graph: tinyModel(), tensors: new Map() },
  host: 'process',
  limits: {
    loadTimeoutMs: limits.probeTimeoutMs,
    runTimeoutMs: limits.probeTimeoutMs,
    memoryBytesMax: limits.probeMemoryBytesMax,
    queueMax: 1,
  },
  options: { provider, threads: 1, graphOptimization: 'none' },
});
