import type { FastifyInstance, FastifySchemaCompiler, FastifyTypeProvider } from 'fastify';
import { createValidator, parseStrictJson } from '../../shared/codec/validator.ts';
import type { Static, TSchema } from '../../shared/contracts/json-schema.ts';
import { HttpProblem } from './problem-answer.ts';

/** An answer may be made of what must not be changed. */
type Shown<T> = T extends string | number | boolean
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Shown<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Shown<T[Key]> }
      : T;

/** Types of a route follow from its schemas. */
export interface SchemaTypes extends FastifyTypeProvider {
  readonly validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
  readonly serializer: this['schema'] extends TSchema ? Shown<Static<this['schema']>> : unknown;
}

const compileStrictly: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validate = createValidator(schema);
  return (value: unknown) => {
    const checked = validate(value);
    if (checked.ok) return { value: checked.value };
    const { code, pointer, message } = checked.error;
    const place = `${httpPart ?? 'request'}${pointer}`;
    return {
      error: new HttpProblem(code, {
        detail: `${place}: ${message}`,
        errors: [{ pointer, message }],
      }),
    };
  };
};

/**
 * The house's one validator instead of fastify's: no coercion, no defaults, no removal, neither on the way in nor
 * on the
 * way out. Query values are therefore text, and routes read numbers from text themselves.
 */
export function useStrictSchemas(app: FastifyInstance): void {
  app.setValidatorCompiler(compileStrictly);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    const parsed = parseStrictJson(body as Buffer);
    if (parsed.ok) done(null, parsed.value);
    else done(new HttpProblem(parsed.error.code, { detail: parsed.error.message }), undefined);
  });
}

/** For routes whose body is judged as the bytes that came: signed envelopes. */
export function useRawBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
}
