export interface MetricEntry {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Labels that each call must give; their values come from short lists of our own, never from a device. */
  readonly labels?: readonly string[];
  /** Upper bounds of a histogram, ascending. */
  readonly buckets?: readonly number[];
}

/** Every metric of both daemons, with its Prometheus type and help text. */
export const metricNames = {
  skein_windows_total: { type: 'counter', help: 'Telemetry windows made durable.' },
  skein_window_refusals_total: {
    type: 'counter',
    help: 'Telemetry frames refused, by code.',
    labels: ['code'],
  },
  skein_broker_connections: { type: 'gauge', help: 'Devices with an open broker session.' },
  skein_broker_plaintext_listener: {
    type: 'gauge',
    help: '1 when a listener beyond loopback runs without TLS.',
  },
  skein_broker_messages_total: {
    type: 'counter',
    help: 'MQTT messages taken and given, by way.',
    labels: ['way'],
  },
  skein_broker_denied_total: {
    type: 'counter',
    help: 'What the broker refused, by reason.',
    labels: ['reason'],
  },
  skein_inference_seconds: {
    type: 'histogram',
    help: 'Time inside one native inference call.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
  },
  skein_frames_refused_total: {
    type: 'counter',
    help: 'Frames from devices refused, by code.',
    labels: ['code'],
  },
} as const satisfies Readonly<Record<string, MetricEntry>>;

export type MetricName = keyof typeof metricNames;
