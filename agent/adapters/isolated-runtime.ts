import type { InferenceRuntime } from '../../shared/ports/inference-runtime.ts';

/**
 * The same runtime, with every session in a process of its own: slower to load, and no fault of one
 * reaches another.
 */
export function isolateSessions(runtime: InferenceRuntime): InferenceRuntime {
  return {
    open: (request) => runtime.open({ ...request, host: 'process' }),
    probe: () => runtime.probe(),
  };
}
