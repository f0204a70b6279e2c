import type {
  InferenceRuntime,
  OpenSession,
  RuntimeProof,
  SessionOptions,
} from '../ports/inference-runtime.ts';
import { cpuQuotaThreads } from './cpu-quota.ts';

import { HostedSession } from './hosted-session.ts';
import { probeRequest } from './probe-request.ts';
import { startProcess } from './process/process-line.ts';
import type { TrialObserver } from './process/trial-observer.ts';
import { startWorker } from './worker/worker-line.ts';

export interface OnnxRuntimeOptions {
  /** Most threads of one session; the cgroup's quota when absent. */
  readonly threadsMax?: number;
  /** Hears of each trial process, for the supervisor that must be able to kill what is left over. */
  readonly observer?: TrialObserver;
}

/** The native runtime behind its port: committed models in workers, trials in disposable processes. */
export function createOnnxRuntime(settings: OnnxRuntimeOptions = {}): InferenceRuntime {
  const threadsMax = settings.threadsMax ?? cpuQuotaThreads();
  const { observer } = settings;
  let probed: Promise<RuntimeProof> | undefined;

  const open = async (request: OpenSession): Promise<HostedSession> => {
    const threads = Math.max(1, Math.min(request.options.threads, threadsMax));
    return HostedSession.open(
      { ...request, options: { ...request.options, threads } },
      request.host === 'worker'
        ? startWorker
        : (listener) => startProcess({ limits: request.limits, observer }, listener),
    );
  };

  return { open, probe: () => (probed ??= proveRuntime(open)) };
}

const candidates: readonly SessionOptions['provider'][] = ['cpu', 'webgpu'];

type Open = (request: OpenSession) => Promise<HostedSession>;

/** Each in a process of its own, because a broken driver may crash or hang; a listed provider proves nothing. */
async function proveRuntime(open: Open): Promise<RuntimeProof> {
  const providers: string[] = [];
  let version: string | undefined;
  for (const provider of candidates) {
    const answered = await versionOn(open, provider);
    if (answered === undefined) continue;
    providers.push(provider);
    version = answered;
  }
  return { providers, version };
}

/** The version of the library that computed the tiny graph rightly on this provider, or `undefined`. */
async function versionOn(
  open: Open,
  provider: SessionOptions['provider'],
): Promise<string | undefined> {
  try {
    const session = await open(probeRequest(provider));
    try {
      const x = new Uint8Array(new Float32Array([1.5, -2]).buffer);
      const { outputs } = await session.run(
        new Map([['x', { type: 'float32', shape: [2], bytes: x }]]),
      );
      const y = outputs.get('y')?.bytes ?? new Uint8Array();
      const isRight = y.join() === new Uint8Array(new Float32Array([3, -4]).buffer).join();
      return isRight ? session.runtimeVersion : undefined;
    } finally {
      await session.close();
    }
  } catch {
    // Which providers do not work is the answer, not a failure.
    return undefined;
  }
}
