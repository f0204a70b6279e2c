import type { Json } from '../../core/canonical-json.ts';
import { isJsonObject, type JsonObject } from '../strict-json.ts';

/** Thrown inside the parser only, where each field would otherwise need its own Result; never leaves it. */
export class MalformedMetadata extends Error {}

export function need(condition: boolean, what: string): void {
  if (!condition) throw new MalformedMetadata(what);
}

export function needObject(value: Json | undefined, what: string): JsonObject {
  if (!isJsonObject(value)) throw new MalformedMetadata(`${what} is not an object`);
  return value;
}

export function needText(value: Json | undefined, what: string): string {
  if (typeof value !== 'string') throw new MalformedMetadata(`${what} is not a string`);
  return value;
}

export function needInteger(value: Json | undefined, min: number, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min) {
    throw new MalformedMetadata(`${what} is not an integer from ${min}`);
  }
  return value;
}

export function needTexts(value: Json | undefined, what: string): readonly string[] {
  if (!Array.isArray(value)) throw new MalformedMetadata(`${what} is not a list`);
  return (value as readonly Json[]).map((item) => needText(item, what));
}
