import { textOf } from '../core/bytes.ts';
import type { Json } from '../core/canonical-json.ts';

/** A JSON object whose keys came from outside and were checked to be unique. */
export type JsonObject = { readonly [key: string]: Json };

/** Deeper nesting than any signed document of Skein has; a bound before anything recurses. */
const depthMax = 32;

/**
 * Parses UTF-8 JSON for a verifier. `undefined` when it is not JSON, nests too deep, or an object repeats a key or
 * has `__proto__`: two readers could then see two documents under one signature.
 */
export function parseStrictJson(bytes: Uint8Array): Json | undefined {
  const text = textOf(bytes);
  if (text === undefined) return undefined;
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
  return isPlain(text) ? value : undefined;
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Own keys only; the order is that of the text but for integer-like keys, so nothing may depend on it. */
export function entriesOf(value: JsonObject): readonly (readonly [string, Json])[] {
  return Object.entries(value);
}

/**
 * The exact text of one member of the outermost object, so that signed text can be carried on unchanged.
 * `text` must be JSON that `parseStrictJson` accepts.
 */
export function memberText(text: string, key: string): string | undefined {
  let depth = 0;
  let start: number | undefined;
  let name: string | undefined;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '"') {
      const end = endOfString(text, at);
      if (depth === 1 && start === undefined) name = JSON.parse(text.slice(at, end)) as string;
      at = end - 1;
    } else if (char === '{' || char === '[') {
      depth += 1;
    } else if (char === ':' && depth === 1) {
      start = at + 1;
    } else if (char === '}' || char === ']' || char === ',') {
      if (depth === 1) {
        if (name === key && start !== undefined) return text.slice(start, at).trim();
        start = undefined;
      }
      if (char !== ',') depth -= 1;
    }
  }
  return undefined;
}

/** Walks text that JSON.parse has accepted. */
function isPlain(text: string): boolean {
  const open: (Set<string> | undefined)[] = [];
  let expectsKey = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '"') {
      const end = endOfString(text, at);
      const keys = open.at(-1);
      if (expectsKey && keys !== undefined) {
        const key = JSON.parse(text.slice(at, end)) as string;
        if (key === '__proto__' || keys.has(key)) return false;
        keys.add(key);
        expectsKey = false;
      }
      at = end - 1;
    } else if (char === '{' || char === '[') {
      if (open.length === depthMax) return false;
      open.push(char === '{' ? new Set() : undefined);
      expectsKey = char === '{';
    } else if (char === '}' || char === ']') {
      open.pop();
      expectsKey = false;
    } else if (char === ',') {
      expectsKey = open.at(-1) !== undefined;
    }
  }
  return true;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text.charAt(at) !== '"') at += text.charAt(at) === '\\' ? 2 : 1;
  return at + 1;
}
