import type { OutboxRecord } from './outbox-state.ts';

/**
 * The record behind a stored value. The checksum vouches for the bytes and this device wrote them, so only the form is
 * looked at: another release's record must not be taken for one of ours.
 */
export function parseOutboxRecord(value: unknown): OutboxRecord | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined;
  return isForm(value) ? (value as OutboxRecord) : undefined;
}

function isForm(value: Record<string, unknown>): boolean {
  switch (value['kind']) {
    case 'opened':
      return typeof value['outbox'] === 'string' && isNumber(value['durable']);
    case 'closed':
      return isRange(value) && typeof value['draft'] === 'object' && value['draft'] !== null;
    case 'merged':
      return isRange(value);
    case 'sealed':
      return isRange(value) && typeof value['text'] === 'string';
    case 'acknowledged':
      return isNumber(value['durable']);
    default:
      return false;
  }
}

const isNumber = (value: unknown): boolean =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

const isRange = (value: Record<string, unknown>): boolean =>
  isNumber(value['first']) && isNumber(value['last']);
