import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Metrics } from '../../ports/metrics.ts';

/** Turns are timed so often: a timer that fires this much apart costs nothing that could be measured. */
const resolutionMs = 20;
const nanosecondsPerSecond = 1e9;

/** Begins to watch this process. The answer reads memory, processor time and the event loop's lag into the metrics. */
export function watchProcess(metrics: Metrics): () => void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  let countedSeconds = 0;
  metrics.gauge('process_start_time_seconds', Date.now() / 1_000 - process.uptime());
  return () => {
    const { user, system } = process.cpuUsage();
    const seconds = (user + system) / 1e6;
    metrics.count('process_cpu_seconds_total', Math.max(0, seconds - countedSeconds));
    countedSeconds = seconds;
    metrics.gauge('process_resident_memory_bytes', process.memoryUsage.rss());
    // Without a turn since the last scrape there is no number: the histogram then says NaN, or its smallest.
    const hasTurns = delay.count > 0;
    const lag = (nanoseconds: number): number =>
      hasTurns ? Math.max(0, nanoseconds / nanosecondsPerSecond - resolutionMs / 1_000) : 0;
    metrics.gauge('nodejs_eventloop_lag_p99_seconds', lag(delay.percentile(99)));
    metrics.gauge('nodejs_eventloop_lag_max_seconds', lag(delay.max));
    delay.reset();
  };
}
