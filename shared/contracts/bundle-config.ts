import { cpuFeatures } from './cpu-features.ts';
import { type Static, Type } from './json-schema.ts';
import { limits } from './limits.ts';
import {
  AppNameSchema,
  CodeSchema,
  CounterSchema,
  DigestSchema,
  Hex32Schema,
  InstantMsSchema,
  oneOf,
  VersionSchema,
} from './names.ts';

const closed = { additionalProperties: false } as const;
const Share = Type.Number({ minimum: 0, maximum: 1 });
const TensorName = Type.String({ minLength: 1, maxLength: 128 });
const Label = Type.String({ minLength: 1, maxLength: 64 });

const TensorTypeSchema = oneOf([
  'float32',
  'float64',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
]);

/** What most weights of a variant are stored as; a name with `uint` folded into `int`, as QDQ graphs mix them. */
export const weightPrecisions = [
  'float64',
  'float32',
  'float16',
  'bfloat16',
  'float8',
  'int16',
  'int8',
  'int4',
] as const;
export type WeightPrecision = (typeof weightPrecisions)[number];

/** Base64 of as many bytes as all default rows together may have. */
const defaultBase64Max = 4 * Math.ceil(limits.defaultAnswerBytesMax / 3);

const SignatureSchema = Type.Object(
  {
    name: TensorName,
    type: TensorTypeSchema,
    /** A text is a symbolic dimension, such as `batch`. */
    shape: Type.Array(
      Type.Union([
        Type.Integer({ minimum: 1, maximum: 0x7fffffff }),
        Type.String({ maxLength: 32 }),
      ]),
      { maxItems: 8 },
    ),
    meaning: Type.String({ maxLength: 256 }),
  },
  closed,
);

/** How raw input becomes the model's tensors; an enumerated list that the agent implements. */
const PreprocessingSchema = Type.Union([
  Type.Object({ kind: Type.Literal('none') }, closed),
  Type.Object(
    {
      kind: Type.Literal('byte-bigram-counts/1'),
      /** Bytes of the file that are counted, from its start. */
      prefixBytes: Type.Integer({ minimum: 1, maximum: 1 << 20 }),
      /** Buckets of the hashed bigrams, a power of two. */
      bigramBuckets: Type.Integer({ minimum: 2, maximum: 65536 }),
    },
    closed,
  ),
]);

const PostprocessingSchema = Type.Union([
  Type.Object({ kind: Type.Literal('none') }, closed),
  Type.Object(
    {
      kind: Type.Literal('classify'),
      /** Output of shape [batch, labels.length] that holds probabilities. */
      output: TensorName,
      labels: Type.Array(Label, { minItems: 2, maxItems: 255 }),
    },
    closed,
  ),
]);

const EvidenceSchema = Type.Object(
  {
    /** Share of the golden set on which this variant and fp32 choose the same class. */
    agreement: Share,
    accuracy: Type.Optional(
      Type.Object(
        { estimate: Share, low: Share, high: Share, n: CounterSchema, set: Label },
        closed,
      ),
    ),
    bytes: CounterSchema,
    latencyP50Ms: Type.Number({ minimum: 0 }),
    machineClass: Type.String({ maxLength: 128 }),
    runtime: Type.String({ maxLength: 32 }),
  },
  closed,
);

const VariantSchema = Type.Object(
  {
    id: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,31}$' }),
    graph: DigestSchema,
    /** External data: blob by the `location` its graph uses. */
    tensors: Type.Array(
      Type.Object(
        { location: Type.String({ pattern: '^[A-Za-z0-9._-]{1,128}$' }), digest: DigestSchema },
        closed,
      ),
      { maxItems: 2048 },
    ),
    constraints: Type.Object(
      {
        provider: oneOf(['cpu', 'webgpu']),
        cpuFeatures: Type.Array(oneOf(cpuFeatures), { maxItems: cpuFeatures.length }),
        memoryBytesMax: CounterSchema,
        /** Versions of the inference runtime it may run on, both ends included. */
        runtime: Type.Optional(
          Type.Object(
            { min: Type.Optional(VersionSchema), max: Type.Optional(VersionSchema) },
            { ...closed, minProperties: 1 },
          ),
        ),
      },
      closed,
    ),
    /** Told by the workshop from the graph's own tensors, never taken on trust; absent where there are no weights. */
    precision: Type.Optional(oneOf(weightPrecisions)),
    session: Type.Object(
      {
        threads: Type.Integer({ minimum: 1, maximum: 64 }),
        graphOptimization: oneOf(['none', 'basic', 'all']),
      },
      closed,
    ),
    evidence: EvidenceSchema,
  },
  closed,
);

/** One monitored value: fixed edges (b bins have b - 1 inner edges) and the reference counts over them. */
export const MonitoredValueSchema = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z][a-z0-9_.-]{0,47}$', maxLength: 48 }),
    source: Type.Union([
      Type.Object({ kind: Type.Literal('confidence') }, closed),
      Type.Object({ kind: Type.Literal('entropy') }, closed),
      Type.Object(
        {
          kind: Type.Literal('class-probability'),
          index: Type.Integer({ minimum: 0, maximum: 254 }),
        },
        closed,
      ),
      Type.Object({ kind: Type.Literal('input-bytes') }, closed),
    ]),
    edges: Type.Array(Type.Number(), { minItems: 1, maxItems: 63 }),
    counts: Type.Array(CounterSchema, { minItems: 2, maxItems: 64 }),
  },
  closed,
);
export type MonitoredValue = Static<typeof MonitoredValueSchema>;

const TrainingSchema = Type.Object(
  {
    graph: DigestSchema,
    /** Trainable tensors: fed as inputs, returned as `next/<name>`; float32. */
    parameters: Type.Array(
      Type.Object(
        {
          name: TensorName,
          shape: Type.Array(CounterSchema, { maxItems: 8 }),
          /** Initial float32 values. */
          blob: DigestSchema,
          /** L2 distance from the parent that a candidate may not exceed, signed offline. */
          distanceMax: Type.Number({ exclusiveMinimum: 0 }),
        },
        closed,
      ),
      { minItems: 1, maxItems: 256 },
    ),
    clipNorm: Type.Number({ exclusiveMinimum: 0 }),
    floors: Type.Object(
      { devices: CounterSchema, samples: CounterSchema, epochsMax: CounterSchema },
      closed,
    ),
  },
  closed,
);

/** What is answered when no model of the app may run: one constant row of every declared output. */
const DefaultAnswerSchema = Type.Array(
  Type.Object(
    {
      name: TensorName,
      type: TensorTypeSchema,
      /** The declared shape; a leading symbolic dimension is the batch and is left out. */
      shape: Type.Array(CounterSchema, { maxItems: 8 }),
      base64: Type.String({ maxLength: defaultBase64Max }),
    },
    closed,
  ),
  { minItems: 1, maxItems: 16 },
);

/** Blob of media type `config`: everything a device needs to know to run, watch and leave this bundle. */
export const BundleConfigSchema = Type.Object(
  {
    schemaVersion: Type.Literal(1),
    name: AppNameSchema,
    version: VersionSchema,
    parent: Type.Optional(DigestSchema),
    inputs: Type.Array(SignatureSchema, { minItems: 1, maxItems: 16 }),
    outputs: Type.Array(SignatureSchema, { minItems: 1, maxItems: 16 }),
    preprocessing: PreprocessingSchema,
    postprocessing: PostprocessingSchema,
    variants: Type.Array(VariantSchema, { minItems: 1, maxItems: 16 }),
    golden: Type.Object(
      {
        blob: DigestSchema,
        /** Largest absolute difference per provider. */
        tolerance: Type.Array(
          Type.Object(
            { provider: Type.String({ maxLength: 16 }), absolute: Type.Number({ minimum: 0 }) },
            closed,
          ),
          { minItems: 1, maxItems: 8 },
        ),
      },
      closed,
    ),
    profile: Type.Object(
      { n: CounterSchema, monitored: Type.Array(MonitoredValueSchema, { maxItems: 64 }) },
      closed,
    ),
    probation: Type.Object({ inferences: CounterSchema, durationMs: CounterSchema }, closed),
    limits: Type.Object(
      {
        memoryBytesMax: CounterSchema,
        loadTimeoutMs: CounterSchema,
        runTimeoutMs: CounterSchema,
      },
      closed,
    ),
    /** The device reverts by itself beyond these, in probation and after commit. */
    guards: Type.Object(
      {
        errorShareMax: Share,
        latencyP95MsMax: Type.Number({ exclusiveMinimum: 0 }),
        /** Mean top-class probability below which the model has collapsed. */
        confidenceMin: Share,
        /** Inferences a judgement needs. */
        inferencesMin: CounterSchema,
      },
      closed,
    ),
    /** How long it may run without fresh metadata, and what happens then. Absent: it runs on, and nothing is said. */
    stale: Type.Optional(
      Type.Object(
        {
          maxDays: Type.Integer({ minimum: 1, maximum: limits.staleDaysMax }),
          then: oneOf(['keep', 'stop']),
        },
        closed,
      ),
    ),
    defaultAnswer: Type.Optional(DefaultAnswerSchema),
    training: Type.Optional(TrainingSchema),
    /** sha256 of each 1 MiB chunk of every blob above 1 MiB, so that corruption costs one chunk. */
    chunks: Type.Array(
      Type.Object(
        { digest: DigestSchema, sha256: Type.Array(Hex32Schema, { maxItems: 8192 }) },
        closed,
      ),
      { maxItems: 4096 },
    ),
    minAgent: VersionSchema,
    lineage: Type.Object(
      {
        commit: Type.Optional(Type.String({ maxLength: 64 })),
        dataDigest: Type.Optional(DigestSchema),
        parameters: Type.Optional(
          Type.Record(
            Type.String({ maxLength: 48 }),
            Type.Union([Type.String({ maxLength: 256 }), Type.Number()]),
            { maxProperties: 32 },
          ),
        ),
        round: Type.Optional(Type.String({ maxLength: 32 })),
        license: Type.Optional(Type.String({ maxLength: 64 })),
        createdAtMs: InstantMsSchema,
      },
      closed,
    ),
  },
  closed,
);
export type BundleConfig = Static<typeof BundleConfigSchema>;
export type BundleVariant = Static<typeof VariantSchema>;
export type DefaultRow = Static<typeof DefaultAnswerSchema>[number];

/** Blob of media type `golden`: inputs and the outputs a device must reproduce before activation. */
export const GoldenVectorsSchema = Type.Object(
  {
    vectors: Type.Array(
      Type.Object(
        {
          inputs: Type.Array(
            Type.Object(
              {
                name: TensorName,
                type: TensorTypeSchema,
                shape: Type.Array(CounterSchema, { maxItems: 8 }),
                base64: Type.String({ maxLength: 8 << 20 }),
              },
              closed,
            ),
            { minItems: 1, maxItems: 16 },
          ),
          outputs: Type.Array(
            Type.Object(
              {
                name: TensorName,
                type: TensorTypeSchema,
                shape: Type.Array(CounterSchema, { maxItems: 8 }),
                base64: Type.String({ maxLength: 8 << 20 }),
              },
              closed,
            ),
            { minItems: 1, maxItems: 16 },
          ),
        },
        closed,
      ),
      { minItems: 1, maxItems: 256 },
    ),
  },
  closed,
);
export type GoldenVectors = Static<typeof GoldenVectorsSchema>;

/** `custom` of a bundle's TUF target: what the director and the device check before any download. */
export const TargetCustomSchema = Type.Object({
  name: AppNameSchema,
  version: VersionSchema,
  /** Rises with every release of the name; never falls below the top-level `rollbackFloor`. */
  releaseCounter: CounterSchema,
  /** Empty means every fleet. */
  fleets: Type.Array(Type.String({ maxLength: 63 }), { maxItems: 64 }),
  /** Facts that must be equal on a device, such as `cpu.arch`. */
  classMatch: Type.Record(Type.String({ maxLength: 48 }), Type.String({ maxLength: 64 }), {
    maxProperties: 8,
  }),
  status: oneOf(['live', 'retired']),
  /** A delegated candidate may replace exactly these tensors, within `distanceMax` of the parent. */
  federable: Type.Optional(Type.Array(TensorName, { maxItems: 256 })),
});
export type TargetCustom = Static<typeof TargetCustomSchema>;

/** The fixed target `revoked.json`. */
export const RevokedSchema = Type.Object(
  {
    revoked: Type.Array(
      Type.Object(
        {
          /** Of a bundle, a blob or an ancestor. */
          digest: DigestSchema,
          reason: CodeSchema,
          /**
           * `stop`: must not run from the next look on. `replace`: is never installed or gone back to again, but where
           * it is what runs it goes on until something else has committed. An entry may harden, never soften.
           */
          then: oneOf(['stop', 'replace']),
        },
        closed,
      ),
      { maxItems: 4096 },
    ),
  },
  closed,
);
export type Revoked = Static<typeof RevokedSchema>;

/**
 * The fixed target `director.json`: public keys (raw Ed25519, hexadecimal) of the online director
 * and their version.
 */
export const DirectorKeysSchema = Type.Object(
  {
    version: CounterSchema,
    keys: Type.Array(Hex32Schema, { minItems: 1, maxItems: 4 }),
    auditKeys: Type.Array(Hex32Schema, { minItems: 1, maxItems: limits.auditKeysMax }),
  },
  closed,
);
export type DirectorKeys = Static<typeof DirectorKeysSchema>;
