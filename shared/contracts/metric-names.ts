export type MetricOwner = 'agent' | 'server';

export interface MetricEntry {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** The daemon that has it, and the other one does not show it; both when absent. */
  readonly of?: MetricOwner;
  /** Labels that each call must give; their values come from short lists of our own, never from a device. */
  readonly labels?: readonly string[];
  /** Upper bounds of a histogram, ascending. */
  readonly buckets?: readonly number[];
}

/** Every metric of both daemons, with its Prometheus type and help text. No label ever names a device. */
export const metricNames = {
  skein_windows_total: { type: 'counter', of: 'server', help: 'Telemetry windows made durable.' },
  skein_window_refusals_total: {
    type: 'counter',
    of: 'server',
    help: 'Telemetry frames refused, by code.',
    labels: ['code'],
  },
  skein_regressions_total: {
    type: 'counter',
    of: 'server',
    help: 'Bundles that a device had committed and took back later.',
  },
  skein_broker_connections: {
    type: 'gauge',
    of: 'server',
    help: 'Devices with an open broker session.',
  },
  skein_plaintext_listener: {
    type: 'gauge',
    help: '1 when a door beyond loopback runs without TLS: broker and http, or serving and metrics of an agent.',
    labels: ['door'],
  },
  skein_metadata_expiry_seconds: {
    type: 'gauge',
    help: 'Seconds until the signed metadata of a role runs out, as served, or as a device last verified it.',
    labels: ['role'],
  },
  skein_devices: {
    type: 'gauge',
    of: 'server',
    help: 'Devices of all fleets, by enrolment state and presence.',
    labels: ['state', 'presence'],
  },
  skein_rollouts: {
    type: 'gauge',
    of: 'server',
    help: 'Rollouts of all fleets, by status.',
    labels: ['status'],
  },
  skein_rounds: {
    type: 'gauge',
    of: 'server',
    help: 'Federated rounds of all fleets, by status.',
    labels: ['status'],
  },
  skein_http_requests_total: {
    type: 'counter',
    of: 'server',
    help: 'HTTP requests answered, by method, route template and status class.',
    labels: ['method', 'route', 'status'],
  },
  skein_http_request_seconds: {
    type: 'histogram',
    of: 'server',
    help: 'Time from the request to the end of its answer, by route template; streams of events are left out.',
    labels: ['route'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  },
  skein_store_transactions_total: {
    type: 'counter',
    of: 'server',
    help: 'Transactions that the store made durable.',
  },
  skein_store_transaction_seconds: {
    type: 'histogram',
    of: 'server',
    help: 'Time from asking for a transaction until its rows are on disk, waiting included.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  },
  skein_store_failures_total: {
    type: 'counter',
    of: 'server',
    help: 'Transactions and reads that the store failed or refused, by code.',
    labels: ['code'],
  },
  skein_database_bytes: {
    type: 'gauge',
    of: 'server',
    help: 'Bytes of the database and its log on disk.',
  },
  skein_broker_messages_total: {
    type: 'counter',
    of: 'server',
    help: 'MQTT messages taken and given, by way.',
    labels: ['way'],
  },
  skein_broker_denied_total: {
    type: 'counter',
    of: 'server',
    help: 'What the broker refused, by reason.',
    labels: ['reason'],
  },
  skein_frames_refused_total: {
    type: 'counter',
    help: 'Frames refused by the server or by this device, by code.',
    labels: ['code'],
  },
  process_resident_memory_bytes: {
    type: 'gauge',
    help: 'Resident bytes of the process that answers.',
  },
  process_start_time_seconds: {
    type: 'gauge',
    help: 'When this process began, by the clock of its machine.',
  },
  process_cpu_seconds_total: {
    type: 'counter',
    help: 'Processor time of the process that answers, its own and the kernel for it.',
  },
  nodejs_eventloop_lag_p99_seconds: {
    type: 'gauge',
    help: 'How late the event loop came in one turn of a hundred since the last scrape.',
  },
  nodejs_eventloop_lag_max_seconds: {
    type: 'gauge',
    help: 'How late the event loop came at worst since the last scrape.',
  },
  skein_supervisor_resident_bytes: {
    type: 'gauge',
    of: 'agent',
    help: 'Resident bytes of the parent process that restarts the agent.',
  },
  skein_supervisor_recent_crashes: {
    type: 'gauge',
    of: 'agent',
    help: 'Crashes that the supervisor counted in its window when it started this process.',
  },
  skein_previous_exit: {
    type: 'gauge',
    of: 'agent',
    help: '1 under the code with which the process before this one ended.',
    labels: ['code'],
  },
  skein_session_open: {
    type: 'gauge',
    of: 'agent',
    help: '1 while a session to the fleet server is open.',
  },
  skein_last_contact_age_seconds: {
    type: 'gauge',
    of: 'agent',
    help: 'Seconds without a session to the fleet server, at most since this process began.',
  },
  skein_metadata_age_seconds: {
    type: 'gauge',
    of: 'agent',
    help: 'Seconds since this device verified fresh metadata, by trusted time or by the time it was alive.',
  },
  skein_default_answers_total: {
    type: 'counter',
    of: 'agent',
    help: "Questions answered by a bundle's default answer, because no model may run.",
    labels: ['app'],
  },
  skein_model_loaded: {
    type: 'gauge',
    of: 'agent',
    help: '1 when a model answers for the app, by the slot it runs in: committed or trial.',
    labels: ['app', 'slot'],
  },
  skein_apps_refused: {
    type: 'gauge',
    of: 'agent',
    help: 'Apps whose wanted bundle was judged here and does not run.',
  },
  skein_inference_seconds: {
    type: 'histogram',
    of: 'agent',
    help: 'Time inside the model per answer; every bound is an edge of the telemetry windows.',
    labels: ['app'],
    // Every third edge from 1/16 ms: powers of two.
    buckets: [
      0.0000625, 0.000125, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128,
      0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384,
    ],
  },
  skein_inference_failures_total: {
    type: 'counter',
    of: 'agent',
    help: 'Questions that the model failed to answer, by code.',
    labels: ['app', 'code'],
  },
  skein_inference_refusals_total: {
    type: 'counter',
    of: 'agent',
    help: 'Questions that never reached the model, by code: a full queue, an input of another form.',
    labels: ['app', 'code'],
  },
  skein_updates_total: {
    type: 'counter',
    of: 'agent',
    help: 'Updates that came to an end, by code: committed, or why they did not.',
    labels: ['app', 'code'],
  },
  skein_update_retries_total: {
    type: 'counter',
    of: 'agent',
    help: 'Steps of an update that failed for now and are tried again, by code.',
    labels: ['app', 'code'],
  },
  skein_reverts_total: {
    type: 'counter',
    of: 'agent',
    help: 'Models that had answered and were taken back, by code.',
    labels: ['app', 'code'],
  },
  skein_outbox_bytes: {
    type: 'gauge',
    of: 'agent',
    help: 'Bytes of the telemetry outbox on disk.',
  },
  skein_outbox_limit_bytes: {
    type: 'gauge',
    of: 'agent',
    help: 'Bytes that the telemetry outbox may take.',
  },
  skein_outbox_windows: {
    type: 'gauge',
    of: 'agent',
    help: 'Telemetry windows that the server has not made durable yet.',
  },
  skein_download_month_bytes: {
    type: 'gauge',
    of: 'agent',
    help: 'Bytes downloaded this month, by the clock of the device.',
  },
  skein_download_month_limit_bytes: {
    type: 'gauge',
    of: 'agent',
    help: "The owner's monthly cap; 0 without one.",
  },
  skein_store_bytes: {
    type: 'gauge',
    of: 'agent',
    help: 'Bytes of model blobs and half downloads on disk.',
  },
  skein_disk_free_bytes: {
    type: 'gauge',
    help: 'Free bytes of the disk that holds the state folder of a device, or the data folder of a server.',
  },
} as const satisfies Readonly<Record<string, MetricEntry>>;

export type MetricName = keyof typeof metricNames;
