import { type Static, Type } from './json-schema.ts';
import { limits } from './limits.ts';
import { CodeSchema } from './names.ts';

const FactValueSchema = Type.Union([
  Type.Null(),
  Type.Boolean(),
  Type.Number(),
  Type.String({ maxLength: 256 }),
]);

/** One thing a decision looked at: its name, what it was, what it would have to be, and whether it stood in the way. */
export const FactSchema = Type.Object(
  { name: CodeSchema, value: FactValueSchema, limit: FactValueSchema, blocks: Type.Boolean() },
  { additionalProperties: false },
);
export type Fact = Static<typeof FactSchema>;

/** What `explain` answers: one sentence for people, the same decision for machines. */
export const ExplanationSchema = Type.Object(
  {
    sentence: Type.String({ maxLength: 1024 }),
    decision: CodeSchema,
    because: Type.Array(FactSchema, { maxItems: limits.becauseMax }),
  },
  { additionalProperties: false },
);
export type Explanation = Static<typeof ExplanationSchema>;
