import type * as TypeBox from 'typebox';

export type { Static, TProperties, TSchema } from 'typebox';

type Plain = Readonly<Record<string, unknown>>;
type Properties = Readonly<Record<string, Plain>>;

/** Properties that may be left out; a mark on the schema itself would travel with it. */
const optional = new WeakSet<Plain>();

const asOptional = (schema: Plain): Plain => {
  const copy = { ...schema };
  optional.add(copy);
  return copy;
};

const object = (properties: Properties, options: Plain = {}): Plain => {
  const names = Object.entries(properties);
  const required = names.filter(([, schema]) => !optional.has(schema)).map(([name]) => name);
  const demanded = required.length === 0 ? {} : { required };
  return { type: 'object', ...demanded, properties, ...options };
};

const builders = {
  Array: (items: Plain, options?: Plain) => ({ type: 'array', items, ...options }),
  Boolean: (options?: Plain) => ({ type: 'boolean', ...options }),
  Integer: (options?: Plain) => ({ type: 'integer', ...options }),
  Literal: (value: string | number | boolean, options?: Plain) => ({
    ...{ type: typeof value, const: value },
    ...options,
  }),
  Null: (options?: Plain) => ({ type: 'null', ...options }),
  Number: (options?: Plain) => ({ type: 'number', ...options }),
  Object: object,
  Optional: asOptional,
  Partial: ({ properties }: { readonly properties: Properties }, options?: Plain) => {
    const all = Object.entries(properties).map(([name, schema]) => [name, asOptional(schema)]);
    return object(Object.fromEntries(all) as Properties, options);
  },
  /** Names that match the pattern of `key`; without one, all. */
  Record: (key: { readonly pattern?: string }, value: Plain, options?: Plain) => ({
    type: 'object',
    patternProperties: { [key.pattern ?? '^.*$']: value },
    ...options,
  }),
  String: (options?: Plain) => ({ type: 'string', ...options }),
  Union: (anyOf: readonly Plain[], options?: Plain) => ({ anyOf, ...options }),
  Unknown: (options?: Plain) => ({ ...options }),
  Unsafe: (schema: Plain) => ({ ...schema }),
} satisfies { readonly [name in keyof typeof TypeBox.Type]?: (...given: never[]) => Plain };

/**
 * JSON Schema (2020-12) with a static type beside it: TypeBox's types, whose values are made here. To import the
 * library takes 16 MB of every process (ADR 6); a test compares each builder with it.
 */
export const Type = builders as unknown as Pick<typeof TypeBox.Type, keyof typeof builders>;
