import { type TProperties, type TSchema, Type } from '../json-schema.ts';
import { limits } from '../limits.ts';

export const closed = { additionalProperties: false } as const;

/** Query values travel as text; a number is digits, checked and never coerced. */
const pageQuery = {
  limit: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,3}$' })),
  cursor: Type.Optional(
    Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength: limits.cursorCharsMax }),
  ),
};

/** Query of a list: `limit`, `cursor` and the filters of the noun. */
export const pageQueryOf = <P extends TProperties>(filters: P) =>
  Type.Object({ ...pageQuery, ...filters }, closed);

/** A page of a list; no `nextCursor` means that it was the last. */
export const pageOf = <S extends TSchema>(item: S) =>
  Type.Object({ items: Type.Array(item), nextCursor: Type.Optional(Type.String()) }, closed);

/** An order of a person says why, for the audit chain and whoever asks later. */
export const WhySchema = Type.String({ maxLength: 512 });

export const FilterTextSchema = Type.String({ minLength: 1, maxLength: limits.filterCharsMax });
export const TagsSchema = Type.Record(
  Type.String({ pattern: `^[A-Za-z0-9_-]{1,${limits.tagCharsMax}}$` }),
  Type.String({ maxLength: limits.tagCharsMax }),
  { maxProperties: limits.tagsMax, additionalProperties: false },
);
