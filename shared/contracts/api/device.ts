import { enrolmentStates } from '../enrolment.ts';
import { ExplanationSchema } from '../explanation.ts';
import { type Static, Type } from '../json-schema.ts';
import {
  AppNameSchema,
  CounterSchema,
  DeviceIdSchema,
  DigestSchema,
  InstantMsSchema,
  oneOf,
  RolloutIdSchema,
  TargetPathSchema,
} from '../names.ts';
import { closed, FilterTextSchema, pageOf, pageQueryOf, TagsSchema, WhySchema } from './page.ts';

const nullable = <S extends Parameters<typeof Type.Union>[0][number]>(schema: S) =>
  Type.Union([Type.Null(), schema]);
const DeviceText = Type.String({ maxLength: 256 });

/** A device as a list shows it. Texts from the device are printable. */
export const DeviceRowSchema = Type.Object(
  {
    device: DeviceIdSchema,
    state: oneOf(enrolmentStates),
    online: Type.Boolean(),
    lastSeenMs: nullable(InstantMsSchema),
    enrolledAtMs: InstantMsSchema,
    tags: TagsSchema,
    facts: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
    zone: nullable(DeviceText),
    agentVersion: nullable(DeviceText),
    keyDigest: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    /** Its place in the order of waves: 0 to 4095, given once at enrolment. */
    cell: CounterSchema,
  },
  closed,
);
export type DeviceRow = Static<typeof DeviceRowSchema>;

const WantedSchema = Type.Object(
  {
    path: TargetPathSchema,
    digest: DigestSchema,
    rollout: nullable(RolloutIdSchema),
    retry: CounterSchema,
    sinceMs: InstantMsSchema,
  },
  closed,
);

/** One app of a device: what the server wants, and what the device says. */
const DeviceAppSchema = Type.Object(
  {
    app: AppNameSchema,
    desired: nullable(WantedSchema),
    previous: nullable(WantedSchema),
    phase: Type.String({ maxLength: 64 }),
    active: nullable(DigestSchema),
    lastGood: nullable(DigestSchema),
    reason: nullable(DeviceText),
    regressed: Type.Boolean(),
    firstCommittedAtMs: nullable(InstantMsSchema),
    refused: Type.Array(
      Type.Object({ digest: DigestSchema, retry: CounterSchema, reason: DeviceText }, closed),
    ),
  },
  closed,
);
export type DeviceAppView = Static<typeof DeviceAppSchema>;

export const DeviceViewSchema = Type.Object(
  {
    ...DeviceRowSchema.properties,
    /** What its agent speaks, and the version this server speaks with it; null: unknown yet, and none in common. */
    protocol: Type.Object(
      {
        min: nullable(CounterSchema),
        max: nullable(CounterSchema),
        spoken: nullable(CounterSchema),
      },
      closed,
    ),
    generation: Type.Object({ issued: CounterSchema, seen: CounterSchema }, closed),
    apps: Type.Array(DeviceAppSchema),
  },
  closed,
);
export type DeviceView = Static<typeof DeviceViewSchema>;

export const DevicePageSchema = pageOf(DeviceRowSchema);
export const DeviceQuerySchema = pageQueryOf({ filter: Type.Optional(FilterTextSchema) });
export const DeviceTagsSchema = Type.Object({ tags: TagsSchema }, closed);
export const DeviceOrderSchema = Type.Object({ why: Type.Optional(WhySchema) }, closed);

export const DeviceExplainQuerySchema = Type.Object(
  { rollout: Type.Optional(RolloutIdSchema) },
  closed,
);
export const DeviceExplanationSchema = Type.Object(
  {
    device: DeviceIdSchema,
    apps: Type.Array(Type.Object({ app: AppNameSchema, ...ExplanationSchema.properties }, closed)),
  },
  closed,
);
export type DeviceExplanation = Static<typeof DeviceExplanationSchema>;

export const FilterPreviewRequestSchema = Type.Object({ filter: FilterTextSchema }, closed);
export const FilterPreviewSchema = Type.Object(
  {
    /** The filter in its one spelling. */
    filter: Type.String(),
    /** The tree, with the places of its parts in the source. */
    tree: Type.Object({ kind: Type.String() }, { additionalProperties: true }),
    count: CounterSchema,
    samples: Type.Array(DeviceRowSchema),
  },
  closed,
);
export type FilterPreviewView = Static<typeof FilterPreviewSchema>;
