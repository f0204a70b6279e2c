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
  /** Groups of (cell, veterans, stratum) that one freeze reads: half of what cells and strata allow. */
  memberGroupsMax: 1_048_576,
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
  /** Longest wait for an acknowledgement before the flight goes out again: a commit takes milliseconds. */
  resendMs: 20_000,
  /** And after many turns without one: a server that is down for its store is not worth more of the battery. */
  resendMsMax: 300_000,
  /** Unsent entries before neighbours merge: a day of 15-minute windows. */
  outboxUnsentMax: 96,
  /** 96 unsent and 8 sealed windows of 64 KiB, the sealed ones with their text, and as much again until compaction. */
  outboxBytesMax: 16 * 1024 * 1024,
  /** Journal size from which the outbox compacts itself; small enough to be read at every start. */
  outboxCompactBytes: 256 * 1024,

  // Device housekeeping
  /** From the start to the first scrub, so that a device that is rebooted each day is scrubbed too. */
  scrubFirstMs: 3_600_000,
  /** Between scrubs: latent bad sectors are found within days, and a flash cell is not read to death. */
  scrubPeriodMs: 24 * 3_600_000,
  /** Reads of a scrub: a few per cent of what an SD card gives, so that inference does not wait for it. */
  scrubBytesPerSecond: 1024 * 1024,

  // Device content store and downloads
  /** Piece of a blob that is hashed, verified and kept at once; the unit of chunk hashes. */
  blobChunkBytes: 1024 * 1024,
  /** Index of a slot: 4096 layers with their names and digests. */
  slotIndexBytesMax: 2 * 1024 * 1024,
  /** Free space a download leaves for journals and logs. */
  diskReserveBytes: 16 * 1024 * 1024,
  /** Failed tries of one blob in a row (without a new verified chunk) before the attempt is given up. */
  blobTriesMax: 8,
  /** Wrong chunks or wrong whole blobs in one download before the origin is no longer asked. */
  blobCorruptionsMax: 3,
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
  /** Files that stay open for the next append, and for how long after the last one. */
  diskOpenAppendsMax: 4,
  diskOpenAppendMs: 5_000,
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
  /** Crashes counted within the window; beyond it the restart delay has long reached its end. */
  crashesCountedMax: 32,
  /** The supervisor's file: one small record. */
  supervisionBytesMax: 4096,
  /** Text a child may give as the reason of its own end. */
  exitReasonCharsMax: 256,
  /** A trial's call that takes longer is told to the supervisor with its deadline; shorter ones cost no message. */
  trialLongCallMs: 500,
  /** The control thread judges a trial's deadline first; the supervisor acts this much later, if it has to. */
  trialDeadlineGraceMs: 2_000,
  /** Kills of trials that the agent remembers until it has reaped them. */
  trialKillsMax: 16,
  /** What the agent's own rooms may grow by after its first model was opened: connections, journals, buffers. */
  agentGrowthBytesMax: 64 * 1024 * 1024,

  // TUF metadata (specification 5: W, X, Y, Z). Real repositories stay below a tenth of these.
  tufRootBytesMax: 512 * 1024,
  tufTimestampBytesMax: 16 * 1024,
  tufSnapshotBytesMax: 2 * 1024 * 1024,
  tufTargetsBytesMax: 5 * 1024 * 1024,
  /** Roots walked in one refresh: a monthly rotation over twenty years; the next refresh goes on from there. */
  tufRootRotationsMax: 256,
  /** Root versions kept beside the current one, against a damaged file. */
  tufRootHistoryMax: 4,
  /** Public keys that stay imported: importing one costs more than half of a verification. */
  verifyingKeysKept: 4096,
  /** Delegated roles visited in one lookup, and kept on a device's disk. */
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
  /** One row of every output, decoded: class probabilities are a KiB, and the configuration is read at each start. */
  defaultAnswerBytesMax: 64 * 1024,
  /** Days a bundle may run on without fresh metadata: a century; more is a slip of the keyboard. */
  staleDaysMax: 36_500,
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
  /** Devices with retained messages; the fleet of one embedded broker, offline ones too. */
  retainedDevicesMax: 200_000,
  /** Broker and access tokens, by the server's clock. */
  sessionTokenTtlMsMax: 15 * 60_000,
  /** Publishes of one device that wait for their PUBACK; windows take at most 8 of them. */
  transportInflightMax: 64,
  /** From dialling to SUBACK. */
  transportConnectTimeoutMs: 15_000,

  // Fetching
  /** Connections of one process to its origin; a device downloads one or two things at a time. */
  fetchSocketsMax: 8,
  fetchIdleSocketsMax: 2,
  /** Longest wait an origin may ask for: a day. */
  retryAfterMsMax: 86_400_000,

  // Fleet server: store and telemetry
  /** Rows of one page of a list; a cursor leads on. */
  storePageMax: 1000,
  /** Distinct statements kept prepared per connection; the adapter writes about 150. */
  storePreparedStatementsMax: 256,
  /** Milliseconds a connection waits for a lock: only a backup or a foreign process can hold one. */
  storeBusyTimeoutMs: 250,
  /** Bytes the write-ahead log keeps on disk after a checkpoint. */
  storeJournalBytesMax: 64 * 1024 * 1024,
  /** Reading connections of a file store: slow lists do not wait for each other. */
  storeReaders: 3,
  /** Transactions that share one commit; more would make the first wait too long. */
  storeGroupTransactionsMax: 128,
  /** Transactions waiting for the writer before new ones are refused. */
  storeTransactionsWaitingMax: 10_000,
  /** Windows waiting for a commit; above it the server answers busy and the device keeps its window. */
  telemetryQueueMax: 8192,
  /** Bytes of sealed windows waiting for a commit. */
  telemetryQueueBytesMax: 64 * 1024 * 1024,
  /** Windows of one commit. */
  telemetryBatchMax: 512,
  /** Milliseconds the first window of a batch waits for company. */
  telemetryBatchWaitMs: 5,
  /** Milliseconds before the next batch after a failed commit. */
  telemetryRetryMs: 250,
  /** Acks released in one turn of the event loop: 500 at once overflow the broker's stack. */
  acksPerTurnMax: 64,
  /** Ranges kept above a gap, per outbox: a device has 8 windows in flight. */
  windowRangesAheadMax: 16,
  /** Distinct error codes in one cohort's totals; the rest counts as `other-codes`. */
  cohortErrorCodesMax: 64,
  /** Bins of a summed latency histogram (a window's own bound). */
  latencyBinsMax: 64,
  /** Places of a summed predicted-class histogram (a window's own bound). */
  predictedClassesMax: 256,

  // Enrolment and login
  /** Device-signed request: ids, a nonce, a claim. */
  enrolmentBytesMax: 4096,
  /** Time to answer a nonce; a slow radio needs seconds. */
  challengeLifeMs: 60_000,
  /** Nonces that wait for one device; a real one needs one at a time. */
  challengesPerDeviceMax: 8,
  /** Two tokens, a key and a signed time. */
  sessionGrantBytesMax: 16 * 1024,
  /** One request of a login over a slow radio. */
  loginTimeoutMs: 30_000,
  /** Sessions one server keeps keys for: its honest ceiling of devices, doubled. */
  liveSessionsMax: 20_000,

  // Log and metrics
  /** Nesting of a log entry's fields; deeper is cut. */
  logDepthMax: 5,
  /** Entries of one list or object in a log entry. */
  logItemsMax: 64,
  /** Characters of one text in a log entry: a stack trace fits. */
  logTextCharsMax: 4096,
  /** Label combinations of one metric; the rest is counted as `other`, so that no caller can fill the memory. */
  metricSeriesMax: 256,
  /** Milliseconds for which a count of the fleets is good enough: who scrapes more often gets the same one. */
  fleetCountMs: 5_000,
  /** Scrapes of one agent under way: each reads the store's folder, and one Prometheus asks one at a time. */
  metricsScrapesMax: 2,
  /** Milliseconds a client of the metrics door may take for its request. */
  metricsRequestTimeoutMs: 10_000,
  /** Entries that the recording log of a simulated node keeps; the oldest leave first. */
  recordedLogEntriesMax: 10_000,

  // Orders
  /** Tries to sign what is wanted now; each further one means that an order came while one was signed. */
  signAttemptsMax: 3,
  /** How far one order may rise above the last: a stolen key must not use up the numbers (2^53) in one stroke. */
  generationLeapMax: 1_000_000,
  /** Generations that a lost server may have signed after the backup that is restored; renewals are monthly. */
  restoreGenerationGap: 1_000,

  // Rollout turns
  /** Orders signed and written down together: one commit for all of them. */
  ordersPerTransactionMax: 256,
  /** Devices told something in one transaction: bounds how long the one writer is held. */
  offersPerTurnMax: 256,
  /** Rollouts of one app a device's decision looks at: the open ones and the newest that ended. */
  rolloutsPerAppMax: 64,
  openRolloutsMax: 64,
  /** Parsed rollouts kept in memory, a few hundred kB each at most. */
  rolloutBookMax: 256,
  /** Above this many cells one pass over all members is cheaper than a query per cell. */
  cellsScannedSinglyMax: 64,
  /** Digests one order may forbid; `revoked.json` holds the long list. */
  revokedPerOrderMax: 256,

  // Audit witnesses
  /** Text of a signed head: 450 characters, with room for larger numbers and a second signature. */
  signedHeadCharsMax: 1024,
  /** Heads whose signature a server has checked since it started; orders that are near in time carry the same. */
  signedHeadsKept: 256,

  // Zones
  /** Formatters kept by the zones adapter, about 50 KB each; the world has 40 offsets in use. */
  zoneFormatsMax: 64,

  // Installing
  /** Ancestors of one bundle that a device reads to see whether a revocation means it; each is two small files. */
  ancestorsReadMax: 64,
  /** `director.json` and `revoked.json`: 4096 revocations of about 150 bytes. */
  fixedTargetBytesMax: 1024 * 1024,
  /** Audit keys in `director.json`: the server's own, and three before it whose heads devices may still keep. */
  auditKeysMax: 4,
  /** One metadata file over a slow radio. */
  metadataTimeoutMs: 60_000,
  /** One blob, all tries: 8 GiB at the minimum speed takes longer and resumes. */
  blobTimeoutMs: 3_600_000,
  /** Calls that wait for one session; more is answered `queue-full` at once. */
  inferenceQueueMax: 256,
  /** A few hundred bytes per event; compacted at half. */
  updateJournalBytesMax: 1024 * 1024,
  /** First pause after a step that failed for the world's reasons, doubled up to the maximum. */
  stepBackoffMs: 1_000,
  stepBackoffMsMax: 600_000,

  // Agent loops
  /** MQTT keep-alive of a device: a dead link shows within a minute and a half. */
  keepaliveMs: 60_000,
  /** The session is renewed this long before its token expires. */
  sessionRenewMs: 60_000,
  /** First pause between sessions, doubled per failure, full jitter. */
  reconnectMs: 1_000,
  reconnectMsMax: 300_000,
  /** Widest window that a server may spread its fleet over: longer is an outage, whoever asks for it. */
  jitterMsMax: 3_600_000,
  /** Changes within this pause are one report. */
  reportPauseMs: 100,
  /** Between two reports of one device. */
  reportIntervalMs: 300,
  /** And while an update only goes through its phases, which come faster than anybody needs to know. */
  reportPhasesMs: 1_500,
  /** Report numbers reserved by one write. */
  reportNumberBlock: 64,
  /** The trusted-time floor is written in steps of this size. */
  timeFloorStepMs: 3_600_000,
  /**
   * First look at the age of the metadata after a start, and the pause that it doubles up to: half of what a boot lived
   * is written down at least, however short it was, and flash is written once an hour.
   */
  freshnessFirstLookMs: 60_000,
  freshnessLookMs: 3_600_000,
  /** Outcomes between two looks of the guard; failures are looked at at once. */
  guardLookEvery: 16,
  /** Windows that count for an open rollout are looked at this long after the last look, and so is what failed. */
  rolloutTurnMs: 500,
  /** Pause between looks at open rollouts when nothing happened: deadlines end within it, soaks at their instant. */
  rolloutLookMs: 2_000,
  /** The same in a fleet without an open rollout or round: old offers become overdue within it. */
  idleLookMs: 10_000,
  /** Pause while a rollout moves, so that one of them cannot keep the writer to itself. */
  rolloutTurnMsMin: 20,
  /** Reports of this long are one look: a wave of a thousand devices speaks a few thousand times. */
  rolloutWakeMs: 100,
  /** Members of a wave decided for in one transaction, most of whom need not be told: bounds it likewise. */
  waveWalkedPerTurnMax: 1_024,
  /** A wave that was walked through is believed this long, and this many times as long as the walk took. */
  waveScanMs: 1_000,
  waveRestPerWalk: 9,
  /** How long it is believed that a device belongs to a control, or does not; and of how many devices. */
  controlMemoMs: 60_000,
  controlMemoMax: 100_000,

  // Image repository
  /** One uploaded blob: the largest size a manifest may state. */
  uploadBytesMax: 8 * 1024 * 1024 * 1024,
  /** Piece in which blobs are written and read: bounds memory per request, and one piece is one disk call. */
  blobPieceBytes: 256 * 1024,
  /**
   * Snapshot and timestamp are signed again at half of their life; a timestamp bounds how long a
   * freeze goes unseen.
   */
  snapshotLifeMs: 7 * 86_400_000,
  timestampLifeMs: 86_400_000,
  /** Life of a federated targets file that the server signs. */
  federatedLifeMs: 90 * 86_400_000,
  /** Between two looks at whether something has to be signed again. */
  renewLookMs: 600_000,
  /** An upload that no signed bundle or open round names is removed after this long without a new upload of it. */
  uploadKeptMs: 7 * 86_400_000,
  /** Blobs removed between two publications; a publication waits for them. */
  uploadsCollectedMax: 256,
  /** Publications that wait for the one before; each may hold a metadata file. */
  publishesWaitingMax: 16,
  /** An online key file: role, public key, sealed seed. */
  onlineKeyBytesMax: 4096,
  /** A share is below 1 KiB; some of them in an archive or a mail are below this. */
  offlineKeySearchBytesMax: 65_536,
  /** Files and folders of a data folder, blobs and candidates left out; a server makes about twenty. */
  dataFolderEntriesMax: 4096,
  /** Levels below the data folder that are looked into; a server makes two. */
  dataFolderDepthMax: 8,

  // REST
  /** From the first to the last byte of a request's head. */
  headersTimeoutMs: 10_000,
  /** JSON body of the admin plane: a rollout with a filter and 32 waves is a tenth of it. */
  requestBytesMax: 256 * 1024,
  /** Device-signed login or enrolment: base64 of `enrolmentBytesMax` and four signatures. */
  deviceRequestBytesMax: 16 * 1024,
  /** Requests a minute of one token: a watching person with scripts stays below a tenth. */
  requestsPerMinute: 3_000,
  /** Requests a minute of one address on the device plane: a site's fleet behind one router logs in at once. */
  deviceRequestsPerMinute: 60_000,
  /** Refused logins a minute of one address before it is told to wait. */
  authFailuresPerMinute: 120,
  /** Principals and addresses the rate limit remembers, a few hundred bytes each. */
  rateLimitKeysMax: 10_000,
  /** Rows of one page of a REST list; the default and the most. */
  pageRows: 50,
  pageRowsMax: 500,
  /** Opaque cursor: a key, and the hash of what it belongs to. */
  cursorCharsMax: 512,
  /** Remembered answers of POSTs live a day. */
  idempotencyLifeMs: 86_400_000,
  idempotencyKeyCharsMax: 128,
  /** One remembered answer. */
  idempotentAnswerBytesMax: 256 * 1024,
  /** Idempotent requests under way at once. */
  idempotentRunningMax: 1_000,
  /** Open event streams of one server; each polls the store. */
  eventStreamsMax: 256,
  /** Events handed to a stream at once. */
  eventBatchMax: 200,
  /** Pause between two looks of a stream at the store, and between its comment lines, which re-check its rights. */
  eventPollMs: 250,
  /** Newest events kept for each fleet; a follower that was away longer lists again. */
  eventsKept: 100_000,
  /** Between two looks at whether events have to go; until then there are some more. */
  eventPruneMs: 600_000,
  eventHeartbeatMs: 15_000,
  /** Bytes waiting for a slow stream reader before it is cut; it resumes with Last-Event-ID. */
  eventUnsentBytesMax: 1024 * 1024,
  /** Devices shown by a filter preview. */
  previewSamples: 5,
  /** Tags of one device, and the length of a tag's name and value. */
  tagsMax: 64,
  tagCharsMax: 63,
  /** Uses one claim may have: a whole production line. */
  claimUsesMax: 100_000,
  /** A claim lives an hour unless said otherwise, and at most this long: a quarter for a shipped batch. */
  claimLifeMs: 3_600_000,
  claimLifeMsMax: 7_948_800_000,
  /** Request of the command line, start to last byte. */
  cliRequestTimeoutMs: 60_000,
  /** Answer that the command line reads. */
  cliAnswerBytesMax: 16 * 1024 * 1024,
  /** Configuration file of a daemon. */
  configBytesMax: 64 * 1024,
  /** From SIGTERM to exit: requests and commits under way end within it. */
  drainMs: 10_000,

  // Federated rounds
  /** Devices of one round; a few hundred updates suffice (Bonawitz et al., 2019), and each is one row. */
  roundDevicesMax: 2_000,
  /** Devices looked at when a round chooses its cohort. */
  roundCandidatesMax: 100_000,
  /** Open rounds of one fleet; a model learns one thing at a time. */
  openRoundsMax: 8,
  /** Longest selection or reporting: a week, for fleets that wake once a day. */
  roundPhaseMsMax: 7 * 86_400_000,
  /** Passes over a device's own examples. */
  trainingEpochsMax: 100,
  /** Rows of one training step: a step's tensors stay in a device's cache. */
  trainingBatchRowsMax: 4_096,
  /** Examples one device may claim before its vote is capped. */
  roundWeightSamplesMax: 1_000_000,
  /** Uploaded update: 16 million parameters. */
  updateBytesMax: 64 * 1024 * 1024,
  /** Rounding room above the clip norm before an update is refused. */
  updateNormSlack: 1e-3,
  /** Examples a device keeps to learn from, per app, and their bytes together. */
  examplesMax: 512,
  exampleBytesMax: 64 * 1024,
  examplesBytesMax: 2 * 1024 * 1024,
  /** Journal of the examples: what is kept in base64, and as much again until it is compacted. */
  exampleJournalBytesMax: 8 * 1024 * 1024,
  /** Examples that wait for one write together, and inputs a device remembers to have seen. */
  examplesWaitingMax: 64,
  seenInputsMax: 1_024,
  /** Orders of other rounds that wait while a training runs. */
  ordersWaitingMax: 8,
  /** Rounds one device takes part in within a day, unless its owner says otherwise. */
  roundsPerDay: 24,
  /** Rounds the device's ledger remembers; above a day's worth the oldest leave. */
  ledgerRoundsMax: 256,
  ledgerBytesMax: 1024 * 1024,
  /** Tries of one round before the device gives it up: a crash in training must not loop. */
  roundTriesMax: 2,
  /** Resident memory and time of a training process. */
  trainingMemoryBytesMax: 1024 * 1024 * 1024,
  trainingStepTimeoutMs: 30_000,
  /** One upload, start to last byte. */
  updateUploadTimeoutMs: 600_000,
  /** The child that builds a candidate: memory, time, and what it may say in answer. */
  candidateMemoryBytesMax: 2 * 1024 * 1024 * 1024,
  candidateTimeoutMs: 600_000,
  candidateOutcomeBytesMax: 64 * 1024,
  /** Tries of one candidate before its round is abandoned. */
  candidateTriesMax: 2,
  /** Labelled held-out inputs. */
  heldOutBytesMax: 256 * 1024 * 1024,

  // Agent daemon
  /**
   * Losses of a committed model's host within the window before it is judged: a slot gets as many
   * tries in probation.
   */
  sessionLossesMax: 3,
  sessionLossWindowMs: 600_000,
  /** Crashes of the agent within the supervisor's window before every session gets a process of its own. */
  crashesToIsolate: 2,
  /** Heartbeats to the supervisor, which waits ten times as long. */
  heartbeatMs: 1_000,
  /** From SIGTERM to the end of what is under way; the rest of the supervisor's ten seconds writes it down. */
  agentDrainMs: 8_000,
  /** Enrolment string: names, a claim, three digests. */
  enrolmentStringCharsMax: 1024,
  /** Record of the enrolment, with one PEM certificate. */
  enrolledServerBytesMax: 32 * 1024,
  /** The key file: one seed in hexadecimal. */
  deviceKeyBytesMax: 1024,
  /** Handshake that looks at the pinned certificate. */
  pinHandshakeMs: 15_000,
  /** One input; larger ones are no inputs of a device model. */
  inputBytesMax: 16 * 1024 * 1024,
  /** Inputs of one source that wait; messages beyond it are answered `queue-full`. */
  inputQueueMax: 64,
  /** Inferences of one source under way: enough to hide the hand-off to the worker. */
  inputsUnderWayMax: 4,
  /** Files of one replay list: a year's worth of names is no list. */
  replayFilesMax: 100_000,
  /** Recorded files that stay in memory between two turns, in bytes all together. */
  replayKeptBytesMax: 2 * 1024 * 1024,
  replayPerSecondMax: 10_000,
  /** Sources of one agent; each has a queue. */
  inputSourcesMax: 16,
  /** Entries of a watched folder taken up in one look. */
  folderEntriesMax: 4_096,
  /** Between two looks at a watched folder: its files are written by people and slow machines. */
  folderLookMs: 250,
  /** First pause before a local broker is dialled again, doubled up to the maximum. */
  localBrokerRetryMs: 500,
  localBrokerRetryMsMax: 30_000,
  /** Body of one inference request. */
  inferBodyBytesMax: 32 * 1024 * 1024,
  /** Requests of the front door under way. */
  inferRequestsMax: 256,
  /** Tensors of one request, as in a bundle's signature. */
  inferTensorsMax: 16,
  tensorRankMax: 8,

  // Telemetry windows on the server
  /** Sealed windows are kept this long when the configuration says nothing; counts and totals stay for ever. */
  windowDaysKept: 30,
  /** Ten years: beyond it a number is a slip of the pen. */
  windowDaysKeptMax: 3_660,
  /** Rows that one transaction removes: a few milliseconds, in which nobody else writes. */
  windowPruneBatch: 500,
  /** Between two batches: devices' own windows go first. */
  windowPrunePauseMs: 50,
  /** Between two looks at whether windows have aged. */
  windowPruneMs: 3_600_000,

  // Content of bundles that nobody needs any more
  /** Content is kept this long after no fleet has its bundle live, when the configuration says nothing. */
  bundleDaysKept: 90,
  /** Ten years: beyond it a number is a slip of the pen. */
  bundleDaysKeptMax: 3_660,
  /** Between two looks at what nobody needs: each walks through the apps of every device. */
  bundleLookMs: 86_400_000,
  /** Between two pages of a walk through all devices: nobody waits for it, and all others go first. */
  bundleWalkPauseMs: 20,
  /** Retired bundles that one walk through the devices asks for. */
  bundlesLookedAtMax: 1_000,

  // Messages that a device refuses
  /** One log line of each code in this time: who forges frames must not fill the device's disk with the news. */
  refusalLogMs: 60_000,

  // Backup of a server
  /** `backup.json` lists a dozen files; blobs are named by their digests. */
  backupListBytesMax: 256 * 1024,
  backupFilesMax: 256,

  // skein doctor
  /** One question to a server or broker: a person waits for the answer. */
  doctorTimeoutMs: 10_000,
  /** Difference to the server's clock that is reported; metadata lives for days, TLS and people notice minutes. */
  doctorClockSkewMs: 300_000,
  /** Free disk below which a bundle of usual size no longer fits beside last-good. */
  doctorDiskLowBytes: 1024 * 1024 * 1024,
  /** Memory below which an agent with one model and its trial process has no room. */
  doctorMemoryLowBytes: 512 * 1024 * 1024,
  /** First warning before an offline role expires: signing takes people, and people take holidays. */
  doctorExpiryMs: 30 * 86_400_000,
  /** Second and last warning: the week in which it has to be done, and the day after which nothing installs. */
  doctorExpiryWeekMs: 7 * 86_400_000,
  doctorExpiryDayMs: 86_400_000,
  /** Blobs of a store that are read again; more is left to the agent's own paced look. */
  doctorStoreBytesMax: 256 * 1024 * 1024,
} as const;
