/** Every bound of the system, with its unit and its reason. A bound elsewhere is a defect. */
export const limits = {
  /** MQTT frame: AWS IoT's payload cap is 128 KB, a window is at most 64 KB, the rest is envelope. */
  frameBytesMax: 96 * 1024,
  windowBytesMax: 64 * 1024,
  /** Header line of a frame; fixed fields only. */
  frameHeaderBytesMax: 1024,

  /** Targeting filters: one screen of text, and a SQL statement that the planner still handles. */
  filterCharsMax: 4096,
  /** Values compared in one filter; SQLite binds at most 32,766 parameters and plans in their square. */
  filterTermsMax: 200,
  /** Nested parentheses and `not`; the parser recurses. */
  filterDepthMax: 16,
  /** `now-...` at most a century; beyond 2^53 milliseconds stop being exact. */
  filterOffsetMsMax: 3_155_760_000_000,
  /** Parts of a fact's path after `facts.`. */
  factPathDepthMax: 6,

  /** Cells of the assignment hash: two bytes a cell, and 244 devices in one at a million. */
  cells: 4096,
  /** Waves of one rollout; each is a stage that a person must be able to follow. */
  wavesMax: 32,
  /** Combinations of the tags and facts an assignment is stratified by; each has its own boundaries. */
  strataMax: 256,
  /** Names to stratify by. */
  stratifyByMax: 4,
  /** Facts in one explanation; more is a dump, not a reason. */
  becauseMax: 16,
  /** Local days scanned to find when a maintenance window opens next: a week and the window across its end. */
  windowScanDaysMax: 9,
  /** Occurrences of a maintenance window one deadline may spread over: ten years of daily windows. */
  windowOccurrencesMax: 3_660,

  // ONNX graphs
  /** Graph of a bundle without its external weights; the largest public graphs are a tenth of it. */
  onnxGraphBytesMax: 64 * 1024 * 1024,
  /** Nested protobuf messages; three per subgraph level. The runtime's own parser stops at 100. */
  onnxDepthMax: 64,
  /** Protobuf fields of one graph: bounds the time and memory of the guard. */
  onnxFieldsMax: 1_000_000,
  /** Nodes after inlining every function: a chain of doubling functions must not fill memory. */
  onnxNodesMax: 200_000,
  /** One tensor, inline or external: what a device of a few GB can map. */
  onnxTensorBytesMax: 2 * 1024 * 1024 * 1024,
  /** A model handed to the workshop with its weights inside: protobuf itself ends at 2 GiB. */
  onnxModelBytesMax: 2 * 1024 * 1024 * 1024 - 1,

  // Device update
  /** Tries of one digest under one generation before it is judged a crash loop. */
  activationsMax: 3,
  /** Judged digests a device remembers; the oldest is forgotten first. */
  refusalsMax: 64,
  /** Committed bundles kept per app: running, last-good, one older. */
  heldSlotsMax: 3,

  // Device journals
  /** One record's JSON: a sealed window and its envelope of text escapes. */
  journalRecordBytesMax: 192 * 1024,
  /** Update journal, refusal list and example index, before they are compacted. */
  journalBytesMax: 4 * 1024 * 1024,

  // Device monitor
  /** Models in one window, as in its schema: an app's probation and committed counts stand apart. */
  windowModelsMax: 16,
  /** Different error codes of one model; further ones are counted as `unexpected`. */
  windowErrorCodesMax: 32,
  /** Histograms with fewer values wait for the next window: fewer could be one person's inputs. */
  windowMinCount: 20,
  /** Outcomes the guard looks back on: enough for a p95, few enough to react within seconds of traffic. */
  guardRecentMax: 512,

  // Device outbox
  /** Windows handed to Transport and not yet acknowledged. */
  outboxInFlightMax: 8,
  /** Unsent entries before neighbours merge: a day of 15-minute windows. */
  outboxUnsentMax: 96,
  /** 96 unsent and 8 sealed windows of 64 KiB, the sealed ones with their text, and as much again until compaction. */
  outboxBytesMax: 16 * 1024 * 1024,

  // Device content store and downloads
  /** Piece of a blob that is hashed, verified and kept at once; the unit of chunk hashes. */
  blobChunkBytes: 1024 * 1024,
  /** Index of a slot: 4096 layers with their names and digests. */
  slotIndexBytesMax: 2 * 1024 * 1024,
  /** Free space a download leaves for journals and logs. */
  diskReserveBytes: 16 * 1024 * 1024,
  /** Failed tries of one blob in a row (without a new verified chunk) before the attempt is given up. */
  blobTriesMax: 8,
  /** First and largest backoff between tries; full jitter over the whole span. */
  blobBackoffFirstMs: 1_000,
  blobBackoffMaxMs: 5 * 60_000,
  /** A connection that brings less than `blobSpeedBytesMin` within this time is cut and tried again. */
  blobSpeedWindowMs: 30_000,
  blobSpeedBytesMin: 16 * 1024,
  /** Bytes charged to the monthly budget before they are fetched, so that a crash over-counts at most this. */
  byteBudgetStepBytes: 8 * 1024 * 1024,

  // Disk
  /** Names remembered as durable, a few hundred bytes each; when full, folders are only synced once more. */
  diskDurableNamesMax: 1024,
  /** Piece of a file copy held in memory. */
  diskCopyChunkBytes: 1024 * 1024,

  // Inference runtime
  /** Runs handed to a session's host ahead of the running one: hides the hand-off, keeps a kill cheap. */
  sessionRunsAhead: 2,
  /** Between two looks at a trial process's resident memory; what it can grow in between is the overshoot. */
  memoryPollMs: 100,
  /** For an idle worker to end when told to; only a hung native call takes longer. */
  workerEndTimeoutMs: 2_000,
  /** Creating and running the tiny graph of a provider probe, with a GPU driver's first start. */
  probeTimeoutMs: 20_000,
  /** Resident memory of a provider probe; a driver maps a lot and uses little. */
  probeMemoryBytesMax: 2 * 1024 * 1024 * 1024,
  /** Models the in-memory runtime keeps open; a simulated device has a few apps. */
  memorySessionsMax: 64,

  // Supervisor
  /** Trial processes one agent may report; it runs one per app at a time. */
  trialsMax: 8,
  /** The supervisor's file: one small record. */
  supervisionBytesMax: 4096,
  /** Text a child may give as the reason of its own end. */
  exitReasonCharsMax: 256,

  // TUF metadata (specification 5: W, X, Y, Z). Real repositories stay below a tenth of these.
  tufRootBytesMax: 512 * 1024,
  tufTimestampBytesMax: 16 * 1024,
  tufSnapshotBytesMax: 2 * 1024 * 1024,
  tufTargetsBytesMax: 5 * 1024 * 1024,
  /** Roots walked in one refresh: a monthly rotation over twenty years; the next refresh goes on from there. */
  tufRootRotationsMax: 256,
  /** Root versions kept beside the current one, against a damaged file. */
  tufRootHistoryMax: 4,
  /** Delegated roles visited in one lookup. */
  tufDelegationsMax: 32,
  /** One metadata request, start to last byte. */
  tufRequestTimeoutMs: 30_000,
  /** One target download of `skein tuf`, start to last byte; a slower mirror is an attack or as good as one. */
  tufTargetTimeoutMs: 600_000,

  // Bundles
  /** OCI manifest; 4096 layers of about 200 bytes each. */
  manifestBytesMax: 1024 * 1024,
  /** Bundle configuration with chunk hashes of 8 GiB. */
  bundleConfigBytesMax: 4 * 1024 * 1024,
  goldenBytesMax: 32 * 1024 * 1024,
  /** Downloads are verified in pieces of this size, so that corruption costs one piece. */
  chunkBytes: 1024 * 1024,
  // Envelopes and broker
  /** DSSE envelope: the base64 of a full frame body, the type, four signatures. */
  envelopeBytesMax: 160 * 1024,
  envelopeSignaturesMax: 4,
  /** Fixed header, topic and message id around a frame in MQTT. */
  mqttHeadroomBytes: 1024,
  /** CONNECT: a token of 2 KB, a will with its frame header, names. */
  mqttConnectBytesMax: 8 * 1024,
  /** A will is a presence frame: header line and a small body. */
  willBytesMax: 2 * 1024,
  /** Levels of a topic; ours has seven. */
  topicLevelsMax: 8,
  /** QoS 2 handshakes left open by one client; nobody of ours speaks QoS 2. */
  brokerInflightInboundMax: 32,
  /** Packets a client may send ahead of its CONNACK. */
  brokerEarlyPacketsMax: 8,
  /** Open connections of one embedded broker, about 70 KB each with mutual TLS. */
  brokerConnectionsMax: 20_000,
  /** Connections that have not logged in; a second's worth of a reconnect storm. */
  brokerPendingMax: 2_000,
  /** New connections a second and at once (EMQX evacuates at 500 a second). */
  brokerConnectsPerSecond: 500,
  brokerConnectsBurst: 2_000,
  /** Messages a second and at once of one device before its reading is slowed (AWS IoT: 100 a second). */
  brokerMessagesPerSecond: 100,
  brokerMessagesBurst: 200,
  /** Bytes waiting for a slow reader before it is cut: ten full frames. */
  brokerUnsentBytesMax: 1024 * 1024,
  /** A reader that takes nothing for this long is cut; aedes' own default is a minute. */
  brokerDrainTimeoutMs: 8_000,
  /** From accepted socket to finished login. */
  brokerLoginTimeoutMs: 10_000,
  /** Keepalive a client may ask for; 0 (never) is refused, because presence rests on it. */
  keepaliveMsMin: 1_000,
  keepaliveMsMax: 1_200_000,
  /** Retained messages kept for one device: one per down kind. */
  retainedPerDeviceMax: 4,
  /** Devices with retained messages; the fleet of one embedded broker, offline ones too. */
  retainedDevicesMax: 200_000,
  /** Broker and access tokens, by the server's clock. */
  sessionTokenTtlMsMax: 15 * 60_000,
  /** Publishes of one device that wait for their PUBACK; windows take at most 8 of them. */
  transportInflightMax: 64,
  /** From dialling to SUBACK. */
  transportConnectTimeoutMs: 15_000,
} as const;
