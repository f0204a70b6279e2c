import type { Metrics } from '../../ports/metrics.ts';

/** Where nobody may ask, nothing is counted: a device does not pay for figures that no one reads. */
export const noMetrics: Metrics = {
  count: () => undefined,
  gauge: () => undefined,
  observe: () => undefined,
};
