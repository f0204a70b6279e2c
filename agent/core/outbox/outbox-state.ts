import type { OutboxId } from '../../../shared/core/ids.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import type { WindowDraft } from '../monitor/window-draft.ts';
import { isSendable, mergeWindows, shedToFit } from './merge-windows.ts';

/** Not handed to Transport yet: may merge with its neighbours. */
export interface UnsentWindow {
  readonly first: number;
  readonly last: number;
  readonly draft: WindowDraft;
}

/** Handed to Transport, perhaps more than once: these very bytes until `dn/ack` covers them. */
export interface SealedWindow {
  readonly first: number;
  readonly last: number;
  readonly text: string;
}

/**
 * INVARIANTS
 * - Window numbers start at 1 and have no gap: sealed ones follow `durable`, unsent ones follow the sealed ones.
 * - A sealed window never changes, and leaves only when an acknowledgement covers its last number.
 */
export interface OutboxState {
  /** New whenever the store is new, so that a number never names two different windows. */
  readonly outbox: OutboxId;
  /** Highest acknowledged number; 0 before the first. */
  readonly durable: number;
  readonly next: number;
  readonly sealed: readonly SealedWindow[];
  readonly unsent: readonly UnsentWindow[];
}

/** What the journal holds. Replaying the records gives the state; each is durable before anything acts on it. */
export type OutboxRecord =
  | { readonly kind: 'opened'; readonly outbox: OutboxId; readonly durable: number }
  | {
      readonly kind: 'closed';
      readonly first: number;
      readonly last: number;
      readonly draft: WindowDraft;
    }
  /** The two unsent neighbours that make up [first, last] became one. */
  | { readonly kind: 'merged'; readonly first: number; readonly last: number }
  | {
      readonly kind: 'sealed';
      readonly first: number;
      readonly last: number;
      readonly text: string;
    }
  | { readonly kind: 'acknowledged'; readonly durable: number };

export const emptyOutbox = (outbox: OutboxId, durable = 0): OutboxState => ({
  outbox,
  durable,
  next: durable + 1,
  sealed: [],
  unsent: [],
});

/** The state behind the records; undefined when they do not begin with an opening. */
export function replayOutbox(records: readonly OutboxRecord[]): OutboxState | undefined {
  const [opening, ...rest] = records;
  if (opening?.kind !== 'opened') return undefined;
  return rest.reduce(applyRecord, emptyOutbox(opening.outbox, opening.durable));
}

/** The shortest records that give this state again. */
export function compactOutbox(state: OutboxState): OutboxRecord[] {
  return [
    { kind: 'opened', outbox: state.outbox, durable: state.durable },
    ...state.sealed.map((window): OutboxRecord => ({ kind: 'sealed', ...window })),
    ...state.unsent.map((window): OutboxRecord => ({ kind: 'closed', ...window })),
  ];
}

export function applyRecord(state: OutboxState, record: OutboxRecord): OutboxState {
  switch (record.kind) {
    case 'opened':
      return emptyOutbox(record.outbox, record.durable);
    case 'closed': {
      invariant(record.first === state.next, 'window numbers have no gap');
      const { first, last, draft } = record;
      return { ...state, next: last + 1, unsent: [...state.unsent, { first, last, draft }] };
    }
    case 'merged':
      return mergeNeighbours(state, record);
    case 'sealed': {
      const { first, last, text } = record;
      // A compacted journal names sealed windows without the draft they were made of.
      const next = Math.max(state.next, last + 1);
      const unsent = state.unsent.filter((window) => window.first !== first);
      return { ...state, next, unsent, sealed: [...state.sealed, { first, last, text }] };
    }
    case 'acknowledged':
      return {
        ...state,
        durable: record.durable,
        sealed: state.sealed.filter((window) => window.last > record.durable),
      };
  }
}

function mergeNeighbours(
  state: OutboxState,
  range: { readonly first: number; readonly last: number },
): OutboxState {
  const at = state.unsent.findIndex((window) => window.first === range.first);
  const a = state.unsent[at];
  const b = state.unsent[at + 1];
  invariant(a !== undefined && b?.last === range.last, 'only neighbours merge');
  const merged = mergeWindows(a.draft, b.draft);
  const draft = isSendable(merged) ? merged : shedToFit(merged);
  const unsent = [...state.unsent];
  unsent.splice(at, 2, { first: range.first, last: range.last, draft });
  return { ...state, unsent };
}
