import * as typebox from 'typebox';
import { expect, test } from 'vitest';
import { Type } from './json-schema.ts';

type Builders = Pick<typeof typebox.Type, keyof typeof Type>;

/** Every builder, with and without its options. */
const examples: Readonly<Record<keyof typeof Type, (make: Builders) => readonly unknown[]>> = {
  Array: (make) => [make.Array(make.Null()), make.Array(make.Null(), { maxItems: 3 })],
  Boolean: (make) => [make.Boolean(), make.Boolean({ default: true })],
  Integer: (make) => [make.Integer(), make.Integer({ minimum: 0, maximum: 9 })],
  Literal: (make) => [make.Literal('a'), make.Literal(1), make.Literal(true, { title: 't' })],
  Null: (make) => [make.Null(), make.Null({ title: 't' })],
  Number: (make) => [make.Number(), make.Number({ exclusiveMinimum: 0 })],
  Object: (make) => [
    make.Object({}),
    make.Object({ a: make.Null(), b: make.String() }, { additionalProperties: false }),
  ],
  Optional: (make) => {
    const whole = make.String({ maxLength: 3 });
    const part = make.Optional(whole);
    return [part, make.Object({ part }), make.Object({ whole, part })];
  },
  Partial: (make) => {
    const whole = make.Object({ a: make.Null(), b: make.Optional(make.String()) });
    return [make.Partial(whole), make.Partial(whole, { additionalProperties: false }), whole];
  },
  Record: (make) => [
    make.Record(make.String(), make.Number()),
    make.Record(make.String({ maxLength: 4 }), make.Number(), { maxProperties: 2 }),
    make.Record(make.String({ pattern: '^a+$' }), make.Boolean()),
  ],
  String: (make) => [make.String(), make.String({ pattern: '^a', maxLength: 2 })],
  Union: (make) => [
    make.Union([make.Null(), make.String()]),
    make.Union([make.Literal('a')], { title: 't' }),
  ],
  Unknown: (make) => [make.Unknown(), make.Unknown({ title: 't' })],
  Unsafe: (make) => [make.Unsafe({}), make.Unsafe(make.String({ enum: ['a'] }))],
};

test.each(Object.keys(examples) as (keyof typeof Type)[])('%s is what TypeBox makes', (name) => {
  const made = examples[name];
  expect(JSON.stringify(made(Type))).toBe(JSON.stringify(made(typebox.Type)));
});
