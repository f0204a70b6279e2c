import type { InferenceRuntime } from '../../shared/ports/inference-runtime.ts';
import { probeRequest } from '../../shared/runtime/probe-request.ts';
import { attempt, type Finding, failed, warning, well } from './finding.ts';

/** Every session in a disposable process, as the agent probes: a broken driver may crash or hang. */
export function checkInference(runtime: InferenceRuntime): Promise<Finding> {
  return attempt('inference', 'runtime-missing', async () => {
    const { providers, version } = await runtime.probe();
    if (providers.includes('cpu')) {
      return well(
        'inference',
        `a tiny model answers on ${providers.join(' and ')}, by onnxruntime ${version ?? '?'}`,
      );
    }
    const why = await reasonOf(runtime);
    return failed('inference', 'runtime-missing', `a tiny model does not answer on cpu: ${why}`);
  });
}

/** The probe only says what works; this asks once more for what the runtime says about it. */
async function reasonOf(runtime: InferenceRuntime): Promise<string> {
  try {
    const session = await runtime.open(probeRequest('cpu'));
    await session.close();
    return 'it loads, but its answer is wrong';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** `query` opens a store in memory and reads from it. A device needs no database, so it only warns. */
export async function checkDatabase(query: () => Promise<void>): Promise<Finding> {
  try {
    await query();
    return well('database', 'better-sqlite3 answers a query in memory');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return warning('database', 'database-missing', `better-sqlite3 does not work: ${why}`);
  }
}
