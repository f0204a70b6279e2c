import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Static, TSchema } from '../contracts/json-schema.ts';
import { textOf } from '../core/bytes.ts';
import { err, ok, type Result } from '../core/result.ts';

/**
 * The one strict validator, for HTTP, MQTT, configuration and stored JSON: no coercion, no defaults, no silent removal
 * (fastify's own turned "7" into 7 and dropped unknown fields with a 200).
 */
export interface SchemaIssue {
  readonly code: 'malformed-json' | 'schema-mismatch' | 'too-large';
  /** JSON Pointer to the offending place. */
  readonly pointer: string;
  readonly message: string;
}

export type Validate<T> = (value: unknown) => Result<T, SchemaIssue>;

const ajv = new Ajv2020({
  strict: true,
  strictTypes: false,
  coerceTypes: false,
  useDefaults: false,
  removeAdditional: false,
  allErrors: false,
  validateFormats: false,
  // The schemas are ours and a test looks at them; a device that starts need not compile the schema of schemas first.
  validateSchema: false,
  meta: false,
  // Passes over the generated code cost more than they save: the engine optimizes what runs often.
  code: { optimize: false },
});

/**
 * Compiles once, when it is first asked: call it at module level, not per message. A process that starts pays for no
 * schema it never meets.
 */
export function createValidator<S extends TSchema>(schema: S): Validate<Static<S>> {
  let compiled: ReturnType<typeof ajv.compile> | undefined;
  return (value) => {
    compiled ??= ajv.compile(schema);
    const check = compiled;
    if (check(value)) return ok(value as Static<S>);
    const [first] = check.errors ?? [];
    const extra =
      first?.keyword === 'additionalProperties'
        ? `/${String(first.params['additionalProperty'])}`
        : '';
    return err({
      code: 'schema-mismatch',
      pointer: `${first?.instancePath ?? ''}${extra}`,
      message: first?.message ?? 'does not match the schema',
    });
  };
}

export interface Decode<T> {
  (bytes: Uint8Array): Result<T, SchemaIssue>;
}

/** Size, strict UTF-8, JSON without duplicate or `__proto__` keys, schema: in that order. */
export function createDecoder<S extends TSchema>(schema: S, bytesMax: number): Decode<Static<S>> {
  const validate = createValidator(schema);
  return (bytes) => {
    if (bytes.length > bytesMax) {
      return err({
        code: 'too-large',
        pointer: '',
        message: `${bytes.length} bytes, at most ${bytesMax}`,
      });
    }
    const parsed = parseStrictJson(bytes);
    return parsed.ok ? validate(parsed.value) : parsed;
  };
}

/** JSON.parse keeps the last of two equal keys, and `__proto__` poisons objects: both are refused here. */
export function parseStrictJson(bytes: Uint8Array): Result<unknown, SchemaIssue> {
  const text = textOf(bytes);
  if (text === undefined) return malformed('not UTF-8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return malformed(cause instanceof Error ? cause.message : 'not JSON');
  }
  // Text that is spelled as JSON.stringify spells it has no duplicate key: the walk is for other spellings.
  if (!text.includes('__proto__') && JSON.stringify(value) === text) return ok(value);
  const duplicate = findDuplicateKey(text);
  return duplicate === undefined
    ? ok(value)
    : malformed(`key ${JSON.stringify(duplicate)} is not allowed here twice or at all`);
}

const malformed = (message: string): Result<never, SchemaIssue> =>
  err({ code: 'malformed-json', pointer: '', message });

/** Walks text that JSON.parse has accepted and returns a key that repeats in its object, or `__proto__`. */
function findDuplicateKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  let expectKey = false;
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === '"') {
      const end = endOfString(text, at);
      const keys = open.at(-1);
      if (expectKey && keys !== undefined) {
        const key = JSON.parse(text.slice(at, end)) as string;
        if (key === '__proto__' || keys.has(key)) return key;
        keys.add(key);
        expectKey = false;
      }
      at = end;
      continue;
    }
    if (char === '{') {
      open.push(new Set());
      expectKey = true;
    } else if (char === '[') {
      open.push(undefined);
      expectKey = false;
    } else if (char === '}' || char === ']') {
      open.pop();
      expectKey = false;
    } else if (char === ',') {
      expectKey = open.at(-1) !== undefined;
    }
    at += 1;
  }
  return undefined;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text.charAt(at) !== '"') at += text.charAt(at) === '\\' ? 2 : 1;
  return at + 1;
}
