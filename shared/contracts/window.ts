import { type Static, Type } from './json-schema.ts';
import {
  AppNameSchema,
  CodeSchema,
  CounterSchema,
  DigestSchema,
  InstantMsSchema,
  OutboxIdSchema,
  oneOf,
} from './names.ts';

/** Counts over the bundle's fixed bins of one monitored value. */
const MonitoredCountsSchema = Type.Object({
  name: Type.String({ pattern: '^[a-z][a-z0-9_.-]{0,47}$', maxLength: 48 }),
  counts: Type.Array(CounterSchema, { maxItems: 64 }),
  psi: Type.Optional(Type.Number({ minimum: 0 })),
  ks: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
});

/** What one model did in one window. */
export const WindowModelSchema = Type.Object({
  app: AppNameSchema,
  digest: DigestSchema,
  phase: oneOf(['probation', 'committed']),
  inferences: CounterSchema,
  /** Errors by catalogue code. */
  errors: Type.Array(Type.Object({ code: CodeSchema, count: CounterSchema }), { maxItems: 32 }),
  /** The model's own time per answer, over the shared edges (`shared/stats/latency-bins.ts`). */
  latency: Type.Array(CounterSchema, { maxItems: 64 }),
  /** Counts by predicted class index; unseen categories are counted in the last place, never named. */
  predicted: Type.Array(CounterSchema, { maxItems: 256 }),
  labelled: CounterSchema,
  correct: CounterSchema,
  /** Sum over inferences of the top class's probability, in millionths: an integer, so merging is exact. */
  confidenceMicros: CounterSchema,
  monitored: Type.Array(MonitoredCountsSchema, { maxItems: 64 }),
});
export type WindowModel = Static<typeof WindowModelSchema>;

const DefaultCountSchema = Type.Object({
  app: AppNameSchema,
  /** Of the bundle whose default answer was given. */
  digest: DigestSchema,
  count: CounterSchema,
});
export type DefaultCount = Static<typeof DefaultCountSchema>;

/** Body of `up/window`: sealed bytes, sent again unchanged until `dn/ack` covers them. */
export const WindowSchema = Type.Object({
  outbox: OutboxIdSchema,
  /** First and last window number in here; merged while unsent, sealed once handed to Transport. */
  first: CounterSchema,
  last: CounterSchema,
  fromMs: InstantMsSchema,
  toMs: InstantMsSchema,
  models: Type.Array(WindowModelSchema, { maxItems: 16 }),
  /** Questions answered by a bundle's default answer. No model ran: they count for no accuracy, latency or verdict. */
  defaults: Type.Optional(Type.Array(DefaultCountSchema, { maxItems: 16 })),
  /** Microjoules spent on inference, where the device can tell. */
  energyMicrojoules: Type.Optional(CounterSchema),
});
export type Window = Static<typeof WindowSchema>;

/** Body of `dn/ack`: the highest contiguous window number that is durable. */
export const AckSchema = Type.Object(
  { outbox: OutboxIdSchema, durable: CounterSchema },
  { additionalProperties: false },
);
export type Ack = Static<typeof AckSchema>;

/** Body of `up/presence`, birth and will: each connection takes two numbers, the birth the lower. */
export const PresenceSchema = Type.Object({
  state: oneOf(['online', 'offline']),
});
