import type { DurableUpdateEvent } from './update-event.ts';

const kinds: ReadonlySet<unknown> = new Set<DurableUpdateEvent['kind']>([
  'desired-accepted',
  'revocations-learned',
  'activation-begun',
  'committed',
  'verdict-reached',
  'refusal-lifted',
  'slot-damaged',
  'slot-dropped',
]);

/** The journal's checksum says that we wrote the record; the kind says whether this version knows it. */
export function parseUpdateRecord(value: unknown): DurableUpdateEvent | undefined {
  const isKnown =
    typeof value === 'object' && value !== null && 'kind' in value && kinds.has(value.kind);
  return isKnown ? (value as DurableUpdateEvent) : undefined;
}
