import { printable } from './printable.ts';

export interface LogFieldLimits {
  readonly logDepthMax: number;
  readonly logItemsMax: number;
  readonly logTextCharsMax: number;
}

/** A field of one of these names holds a secret, whatever it is; matched without case, `_` and `-`. */
const secretName =
  /(password|passphrase|secret|token|bearer|authorization|cookie|privatekey|sessionkey|signingkey|claim|seed|hmackey)$/;

/** Fields as they may be written down: secrets replaced, texts printable, depth and size bounded, causes kept. */
export function loggableFields(
  fields: Readonly<Record<string, unknown>>,
  limits: LogFieldLimits,
): Record<string, unknown> {
  const entries = Object.entries(fields).slice(0, limits.logItemsMax);
  return Object.fromEntries(
    entries.map(([name, value]) => [
      printable(name),
      isSecret(name) ? '[secret]' : loggable(value, limits, limits.logDepthMax),
    ]),
  );
}

function loggable(value: unknown, limits: LogFieldLimits, depthLeft: number): unknown {
  if (typeof value === 'string') return printable(value.slice(0, limits.logTextCharsMax));
  if (typeof value === 'bigint') return `${value}`;
  if (typeof value !== 'object' || value === null) return value;
  if (depthLeft === 0) return '[deeper]';
  // Raw bytes may be a user's input or a key; their number is all a log needs.
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Error) return loggable(errorFields(value), limits, depthLeft);
  if (value instanceof Map) return loggable(Object.fromEntries(value), limits, depthLeft);
  if (Array.isArray(value) || value instanceof Set) {
    const items = [...(value as Iterable<unknown>)].slice(0, limits.logItemsMax);
    return items.map((item) => loggable(item, limits, depthLeft - 1));
  }
  const entries = Object.entries(value).slice(0, limits.logItemsMax);
  return Object.fromEntries(
    entries.map(([name, item]) => [
      printable(name),
      isSecret(name) ? '[secret]' : loggable(item, limits, depthLeft - 1),
    ]),
  );
}

function errorFields(error: Error): Record<string, unknown> {
  return {
    name: error.name,
    message: error.message,
    ...('code' in error ? { code: error.code } : {}),
    ...(error.stack === undefined ? {} : { stack: error.stack }),
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  };
}

const isSecret = (name: string): boolean =>
  secretName.test(name.toLowerCase().replace(/[_-]/g, ''));
