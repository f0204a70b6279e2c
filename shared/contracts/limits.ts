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
} as const;
