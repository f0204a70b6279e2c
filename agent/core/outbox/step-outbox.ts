import { limits } from '../../../shared/contracts/limits.ts';
import type { Ack, Window } from '../../../shared/contracts/window.ts';
import type { WindowDraft } from '../monitor/window-draft.ts';
import { isSendable, mergeWindows } from './merge-windows.ts';
import {
  applyRecord,
  type OutboxRecord,
  type OutboxState,
  type SealedWindow,
} from './outbox-state.ts';

export type OutboxEvent =
  | { readonly kind: 'window-closed'; readonly draft: WindowDraft }
  /** A session is open; everything sealed is handed over again, whatever became of it before. */
  | { readonly kind: 'session-opened' }
  | { readonly kind: 'acknowledged'; readonly ack: Ack }
  /** No acknowledgement for long although the session stands. */
  | { readonly kind: 'resend-due' };

export interface OutboxContext {
  /** Whether windows may be handed to Transport now. */
  readonly isConnected: boolean;
}

export interface OutboxStep {
  readonly state: OutboxState;
  /** Made durable first, in one write ... */
  readonly records: readonly OutboxRecord[];
  /** ... and only then handed to Transport, in this order. */
  readonly publish: readonly SealedWindow[];
  /** Numbers of windows whose detail had to go because nothing else would fit. */
  readonly shed: readonly { readonly first: number; readonly last: number }[];
}

/**
 * The outbox reducer: appends, merges, seals, acknowledges. PUBACK is not trust: only `dn/ack` lets a window go.
 */
export function stepOutbox(
  state: OutboxState,
  event: OutboxEvent,
  context: OutboxContext,
): OutboxStep {
  switch (event.kind) {
    case 'window-closed': {
      const { next } = state;
      return settle(state, context, [
        { kind: 'closed', first: next, last: next, draft: event.draft },
      ]);
    }
    case 'session-opened':
    case 'resend-due': {
      const step = settle(state, context, []);
      return context.isConnected ? { ...step, publish: step.state.sealed } : step;
    }
    case 'acknowledged':
      return settle(state, context, acknowledge(state, event.ack));
  }
}

/**
 * An acknowledgement counts for this store only, never goes back, and never reaches beyond what was handed over:
 * a window that was not sent cannot be durable, whoever says so.
 */
function acknowledge(state: OutboxState, ack: Ack): OutboxRecord[] {
  if (ack.outbox !== state.outbox) return [];
  const covered = state.sealed.filter((window) => window.last <= ack.durable).at(-1);
  return covered === undefined ? [] : [{ kind: 'acknowledged', durable: covered.last }];
}

/** Applies `records`, then brings the outbox back within its bounds and fills the flight. */
function settle(
  before: OutboxState,
  context: OutboxContext,
  records: readonly OutboxRecord[],
): OutboxStep {
  let state = records.reduce(applyRecord, before);
  const all = [...records];
  const shed: { first: number; last: number }[] = [];
  const publish: SealedWindow[] = [];
  const write = (record: OutboxRecord): void => {
    all.push(record);
    state = applyRecord(state, record);
  };
  while (context.isConnected && state.sealed.length < limits.outboxInFlightMax) {
    const sealed = sealNext(state);
    if (sealed === undefined) break;
    write({ kind: 'sealed', ...sealed });
    publish.push(sealed);
  }
  while (state.unsent.length > limits.outboxUnsentMax) {
    const choice = chooseMerge(state);
    if (choice.sheds) shed.push({ first: choice.first, last: choice.last });
    write({ kind: 'merged', first: choice.first, last: choice.last });
  }
  return { state, records: all, publish, shed };
}

function sealNext(state: OutboxState): SealedWindow | undefined {
  const [oldest] = state.unsent;
  if (oldest === undefined) return undefined;
  const { first, last, draft } = oldest;
  const window: Window = { outbox: state.outbox, first, last, ...draft };
  return { first, last, text: JSON.stringify(window) };
}

/** The pair that covers the fewest windows, the oldest of equals: months keep an even resolution. */
function chooseMerge(state: OutboxState): { first: number; last: number; sheds: boolean } {
  const pairs = state.unsent.slice(1).map((b, i) => {
    const a = state.unsent[i] ?? b;
    return { a, b, span: b.last - a.first };
  });
  pairs.sort((x, y) => x.span - y.span || x.a.first - y.a.first);
  const fitting = pairs.find(({ a, b }) => isSendable(mergeWindows(a.draft, b.draft)));
  const chosen = fitting ?? pairs[0];
  return {
    first: chosen?.a.first ?? 0,
    last: chosen?.b.last ?? 0,
    sheds: fitting === undefined,
  };
}
