import { limits } from '../../contracts/limits.ts';
import { invariant } from '../../core/invariant.ts';
import { OperatingError } from '../../core/operating-error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { InferenceRuntime, ModelSource, OpenSession } from '../../ports/inference-runtime.ts';
import type { MemoryModel } from './memory-model.ts';
import { MemorySession } from './memory-session.ts';

export interface MemoryRuntimeOptions {
  readonly clock: Clock;
  readonly providers: readonly string[];
  /** The model that a source holds, or `undefined` when it holds none (`model-load-failed`). */
  modelOf(source: ModelSource): Promise<MemoryModel | undefined>;
}

/** There is one, and nothing behind it: bundles that name a range of runtimes are judged against this. */
export const memoryRuntimeVersion = '1.0.0';

/**
 * The runtime of the simulator, held to the same contract as the native one. It waits by microtasks and by its Clock
 * alone, so a simulated day costs no real one. Memory is judged after each run: virtual runs have no inside.
 */
export function createMemoryRuntime(options: MemoryRuntimeOptions): InferenceRuntime {
  let openSessions = 0;
  return {
    probe: async () => ({ providers: options.providers, version: memoryRuntimeVersion }),
    open: async (request) => {
      invariant(openSessions < limits.memorySessionsMax, 'a device closes the sessions it leaves');
      const model = await load(options, request);
      openSessions += 1;
      return new MemorySession({
        model,
        clock: options.clock,
        limits: request.limits,
        isMemoryJudged: request.host === 'process',
        onEnd: () => {
          openSessions -= 1;
        },
      });
    },
  };
}

async function load(options: MemoryRuntimeOptions, request: OpenSession): Promise<MemoryModel> {
  const { provider } = request.options;
  if (!options.providers.includes(provider)) {
    throw new OperatingError('provider-unavailable', `${provider} is not on this device`);
  }
  const model = await options.modelOf(request.model);
  if (model === undefined) throw new OperatingError('model-load-failed', 'not a model');
  const { loadTimeoutMs, memoryBytesMax } = request.limits;
  const loadMs = model.loadMs ?? 0;
  if (loadMs > 0) {
    await options.clock.sleepUntil(options.clock.monotonicMs() + Math.min(loadMs, loadTimeoutMs));
  }
  if (loadMs > loadTimeoutMs) {
    throw new OperatingError('load-timeout', `not loaded after ${loadTimeoutMs} ms`);
  }
  if (request.host === 'process' && model.residentBytes > memoryBytesMax) {
    throw new OperatingError('memory-limit', 'the model alone is larger than the limit');
  }
  return model;
}
