import { invariant } from '../../../shared/core/invariant.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';

/**
 * A noun as a row: columns are named as its fields, so there is no second vocabulary to keep in step. JSON fields
 * are text, flags are 0 and 1, everything else is itself.
 */
export type RowOf<Noun, JsonField extends keyof Noun = never, Flag extends keyof Noun = never> = {
  [Field in keyof Noun]: Field extends JsonField
    ? string | Extract<Noun[Field], null>
    : Field extends Flag
      ? number
      : Noun[Field];
};

export class RowShape<
  Noun extends object,
  JsonField extends keyof Noun = never,
  Flag extends keyof Noun = never,
> {
  readonly #json: readonly PropertyKey[];
  readonly #flags: readonly PropertyKey[];

  constructor(fields: { readonly json?: readonly JsonField[]; readonly flags?: readonly Flag[] }) {
    this.#json = fields.json ?? [];
    this.#flags = fields.flags ?? [];
  }

  toRow(noun: Noun): RowOf<Noun, JsonField, Flag> {
    return this.toPatch(noun) as RowOf<Noun, JsonField, Flag>;
  }

  toPatch(fields: Partial<Noun>): Partial<RowOf<Noun, JsonField, Flag>> {
    const row: Record<PropertyKey, unknown> = {};
    for (const [field, value] of Object.entries(fields)) {
      if (this.#flags.includes(field)) row[field] = value === true ? 1 : 0;
      else if (this.#json.includes(field) && value !== null) row[field] = JSON.stringify(value);
      else row[field] = value;
    }
    return row as Partial<RowOf<Noun, JsonField, Flag>>;
  }

  toNoun(row: RowOf<Noun, JsonField, Flag>): Noun {
    const noun: Record<PropertyKey, unknown> = { ...row };
    for (const field of this.#flags) noun[field] = noun[field] === 1;
    for (const field of this.#json) noun[field] = parsed(noun[field]);
    return noun as Noun;
  }

  readonly toNouns = (rows: readonly RowOf<Noun, JsonField, Flag>[]): readonly Noun[] =>
    rows.map((row) => this.toNoun(row));

  readonly toNounOrNull = (row: RowOf<Noun, JsonField, Flag> | undefined): Noun | null =>
    row === undefined ? null : this.toNoun(row);
}

function parsed(text: unknown): unknown {
  if (text === null) return null;
  invariant(typeof text === 'string', 'a JSON column holds text');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OperatingError('store-corrupt', 'a stored JSON text does not parse', { cause });
  }
}
