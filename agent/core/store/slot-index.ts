import { type Digest, isDigest } from '../../../shared/core/ids.ts';
import { slotIndexName } from './store-path.ts';

export interface SlotFile {
  /** Bare name inside the slot: `graph.onnx`, or the `location` its graph uses. */
  readonly name: string;
  readonly digest: Digest;
  readonly bytes: number;
}

export interface IndexedFile extends SlotFile {
  /** A copy of its own, that a bad sector under the shared blob does not reach. */
  readonly isOwn: boolean;
}

/** What a slot holds; its presence says that every file was there when it was written. */
export interface SlotIndex {
  readonly v: 1;
  readonly files: readonly IndexedFile[];
}

/** Whether each file may stand in a slot: bare names, none twice, none that is the index or a hidden file. */
export function areSlotNames(files: readonly SlotFile[]): boolean {
  const names = new Set(files.map(({ name }) => name));
  return names.size === files.length && files.every(({ name }) => isSlotName(name));
}

const isSlotName = (name: string): boolean =>
  /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/.test(name) && name !== slotIndexName;

/** Undefined when the bytes are not an index; a damaged one makes the slot not whole, never a different one. */
export function parseSlotIndex(text: string): SlotIndex | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('v' in value) || value.v !== 1) {
    return undefined;
  }
  if (!('files' in value) || !Array.isArray(value.files)) return undefined;
  const files: unknown[] = value.files;
  if (!files.every(isIndexedFile) || !areSlotNames(files)) return undefined;
  return { v: 1, files };
}

function isIndexedFile(value: unknown): value is IndexedFile {
  if (typeof value !== 'object' || value === null) return false;
  const { name, digest, bytes, isOwn } = value as Record<string, unknown>;
  return (
    typeof name === 'string' &&
    typeof digest === 'string' &&
    isDigest(digest) &&
    Number.isSafeInteger(bytes) &&
    typeof isOwn === 'boolean'
  );
}
