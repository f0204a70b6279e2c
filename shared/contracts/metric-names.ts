/** Every metric of both daemons, with its Prometheus type and help text. */
export const metricNames = {
  skein_windows_total: { type: 'counter', help: 'Telemetry windows made durable.' },
  skein_window_refusals_total: { type: 'counter', help: 'Telemetry frames refused, by code.' },
} as const;

export type MetricName = keyof typeof metricNames;
