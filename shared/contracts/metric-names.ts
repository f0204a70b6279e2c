/** Every metric of both daemons, with its Prometheus type and help text. */
export const metricNames = {
  skein_windows_total: { type: 'counter', help: 'Telemetry windows made durable.' },
  skein_window_refusals_total: { type: 'counter', help: 'Telemetry frames refused, by code.' },
  skein_broker_connections: { type: 'gauge', help: 'Devices with an open broker session.' },
  skein_broker_plaintext_listener: {
    type: 'gauge',
    help: '1 when a listener beyond loopback runs without TLS.',
  },
  skein_broker_messages_total: { type: 'counter', help: 'MQTT messages taken and given, by way.' },
  skein_broker_denied_total: { type: 'counter', help: 'What the broker refused, by reason.' },
} as const;

export type MetricName = keyof typeof metricNames;
