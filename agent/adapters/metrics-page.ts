import { noMetrics } from '../../shared/adapters/metrics/no-metrics.ts';
import { residentBytesOf } from '../../shared/adapters/proc-file.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import type { PreviousExit } from '../supervisor/core/previous-exit.ts';

export interface MetricsPage {
  readonly metrics: Metrics;
  /** Everything counted so far, and the figures of the process as they are now. */
  readonly exposition: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

/** `isAsked`: somebody may read it. Otherwise prom-client is not loaded and nothing is counted. */
export async function openMetricsPage(options: {
  readonly isAsked: boolean;
  readonly previousExit: PreviousExit | undefined;
}): Promise<MetricsPage> {
  const { isAsked, previousExit } = options;
  if (!isAsked) {
    return {
      metrics: noMetrics,
      exposition: async () => ({ contentType: 'text/plain', text: '' }),
    };
  }
  const { PromMetrics } = await import('../../shared/adapters/metrics/prom-metrics.ts');
  const { watchProcess } = await import('../../shared/adapters/metrics/process-figures.ts');
  const metrics = new PromMetrics('agent');
  const { reason: code = 'none', crashesInWindow = 0 } = previousExit ?? {};
  const readProcess = watchProcess(metrics);
  metrics.gauge('skein_previous_exit', 1, { code });
  metrics.gauge('skein_supervisor_recent_crashes', crashesInWindow);
  return {
    metrics,
    exposition: () => {
      readProcess();
      metrics.gauge('skein_supervisor_resident_bytes', supervisorBytes());
      return metrics.exposition();
    },
  };
}

/** Without a supervisor the parent is somebody else's process. */
const supervisorBytes = (): number =>
  process.send === undefined ? 0 : (residentBytesOf(process.ppid) ?? 0);
