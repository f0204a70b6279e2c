import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createValidator } from '../../../shared/codec/validator.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { type Window, type WindowModel, WindowSchema } from '../../../shared/contracts/window.ts';
import type { AppName, Digest, OutboxId } from '../../../shared/core/ids.ts';
import type { WindowDraft } from '../monitor/window-draft.ts';
import { isSendable, mergeWindows, shedToFit } from './merge-windows.ts';
import { compactOutbox, emptyOutbox, type OutboxState, replayOutbox } from './outbox-state.ts';
import { stepOutbox } from './step-outbox.ts';

const outbox = 'ab'.repeat(16) as OutboxId;
const digest = (n: number): Digest => `sha256:${n.toString(16).padStart(64, '0')}` as Digest;

const modelOf = (changes: Partial<WindowModel> = {}): WindowModel => ({
  app: 'filetype' as AppName,
  digest: digest(1),
  phase: 'committed',
  inferences: 1,
  errors: [],
  latency: [],
  predicted: [],
  labelled: 0,
  correct: 0,
  confidenceMicros: 0,
  monitored: [],
  ...changes,
});
const draftOf = (inferences: number, changes: Partial<WindowModel> = {}): WindowDraft => ({
  fromMs: 0,
  toMs: 1,
  models: [modelOf({ inferences, predicted: [inferences, 1], ...changes })],
});
const counted = (windows: readonly { readonly models: readonly WindowModel[] }[]): number =>
  windows.flatMap(({ models }) => models).reduce((sum, model) => sum + model.inferences, 0);
const windowOf = (text: string): Window => JSON.parse(text) as Window;

/** A server that keeps windows by (outbox, first) and acknowledges the highest contiguous number. */
class WindowStore {
  readonly windows = new Map<string, Window>();
  receive(text: string): void {
    const window = windowOf(text);
    const key = `${window.outbox} ${window.first}`;
    const known = this.windows.get(key);
    if (known !== undefined) expect(JSON.stringify(known)).toBe(text);
    else this.windows.set(key, window);
  }
  ack(): { outbox: OutboxId; durable: number } {
    let durable = 0;
    for (;;) {
      const next = this.windows.get(`${outbox} ${durable + 1}`);
      if (next === undefined) return { outbox, durable };
      durable = next.last;
    }
  }
}

const numbers = fc.array(fc.nat(1000), { maxLength: 5 });
const model = fc.record({
  app: fc.constantFrom('one', 'two').map((name) => name as AppName),
  digest: fc.integer({ min: 1, max: 2 }).map(digest),
  phase: fc.constantFrom('probation' as const, 'committed' as const),
  inferences: fc.nat(1000),
  errors: fc.uniqueArray(fc.record({ code: fc.constantFrom('aa', 'bb', 'cc'), count: fc.nat(9) }), {
    selector: ({ code }) => code,
  }),
  latency: numbers,
  predicted: numbers,
  labelled: fc.nat(9),
  correct: fc.nat(9),
  confidenceMicros: fc.nat(1_000_000),
  monitored: fc.uniqueArray(fc.record({ name: fc.constantFrom('x', 'y'), counts: numbers }), {
    selector: ({ name }) => name,
  }),
});
const draft: fc.Arbitrary<WindowDraft> = fc.record({
  fromMs: fc.nat(100),
  toMs: fc.nat(100),
  models: fc.uniqueArray(model, {
    maxLength: 4,
    selector: ({ app, digest: of, phase }) => `${app} ${of} ${phase}`,
  }),
  energyMicrojoules: fc.nat(100),
});

/** Every integer of a draft under the name of what it counts. */
function sums(drafts: readonly WindowDraft[]): Map<string, number> {
  const totals = new Map<string, number>();
  const add = (name: string, count: number): void => {
    if (count !== 0) totals.set(name, (totals.get(name) ?? 0) + count);
  };
  for (const { models, energyMicrojoules } of drafts) {
    add('energy', energyMicrojoules ?? 0);
    for (const m of models) {
      const of = `${m.app} ${m.digest} ${m.phase}`;
      for (const name of ['inferences', 'labelled', 'correct', 'confidenceMicros'] as const) {
        add(`${of} ${name}`, m[name]);
      }
      m.latency.forEach((count, bin) => add(`${of} latency ${bin}`, count));
      m.predicted.forEach((count, bin) => add(`${of} predicted ${bin}`, count));
      for (const { code, count } of m.errors) add(`${of} error ${code}`, count);
      for (const { name, counts } of m.monitored) {
        counts.forEach((count, bin) => add(`${of} ${name} ${bin}`, count));
      }
    }
  }
  return new Map([...totals].sort(([a], [b]) => (a < b ? -1 : 1)));
}

describe('mergeWindows', () => {
  it('of any two windows, holds exactly the sum of their counts', () => {
    fc.assert(
      fc.property(draft, draft, (a, b) => {
        expect(sums([mergeWindows(a, b)])).toEqual(sums([a, b]));
      }),
    );
  });

  it('does not depend on how windows are grouped', () => {
    fc.assert(
      fc.property(draft, draft, draft, (a, b, c) => {
        const left = mergeWindows(mergeWindows(a, b), c);
        const right = mergeWindows(a, mergeWindows(b, c));
        expect(sums([left])).toEqual(sums([right]));
      }),
    );
  });

  it('when default answers were given in both, adds them by bundle and stays within the bound of one window', () => {
    const given = (n: number, count: number) => {
      return { app: 'filetype' as AppName, digest: digest(n), count };
    };
    const a: WindowDraft = { ...draftOf(1), defaults: [given(1, 2), given(2, 1)] };
    const b: WindowDraft = { ...draftOf(1), defaults: [given(1, 3)] };
    const merged = mergeWindows(a, b);
    expect(merged.defaults).toEqual([given(1, 5), given(2, 1)]);
    expect(merged.models[0]?.inferences).toBe(2);
    expect(mergeWindows(draftOf(1), draftOf(1))).not.toHaveProperty('defaults');
    const many = Array.from({ length: limits.windowModelsMax + 2 }, (_, n) => given(n, n + 1));
    const crowded = { ...draftOf(1), defaults: many };
    expect(isSendable(crowded)).toBe(false);
    const kept = shedToFit(crowded).defaults ?? [];
    expect(kept).toEqual(many.slice(2));
  });

  it('when both sides name distances, names none: they do not add', () => {
    const named = draftOf(1, { monitored: [{ name: 'x', counts: [1], psi: 0.5, ks: 0.5 }] });
    expect(mergeWindows(named, named).models[0]?.monitored).toEqual([{ name: 'x', counts: [2] }]);
  });

  it('when error codes exceed the bound, keeps their total', () => {
    const codes = (from: number) =>
      Array.from({ length: 30 }, (_, i) => ({ code: `code-${from + i}`, count: 2 }));
    const merged = mergeWindows(
      draftOf(1, { errors: codes(0) }),
      draftOf(1, { errors: codes(30) }),
    );
    const errors = merged.models[0]?.errors ?? [];
    expect(errors).toHaveLength(limits.windowErrorCodesMax);
    expect(errors.reduce((sum, { count }) => sum + count, 0)).toBe(120);
  });

  it('when nothing would fit, sheds detail and the smallest models, never the limit', () => {
    const models = Array.from({ length: 20 }, (_, i) =>
      modelOf({ digest: digest(i), inferences: i, monitored: [{ name: 'x', counts: [1, 2] }] }),
    );
    const shed = shedToFit({ fromMs: 0, toMs: 1, models });
    expect(isSendable(shed)).toBe(true);
    expect(shed.models.map(({ inferences }) => inferences)).toEqual(
      Array.from({ length: 16 }, (_, i) => i + 4),
    );
  });
});

describe('stepOutbox', () => {
  const offline = { isConnected: false };
  const online = { isConnected: true };
  const close = (state: OutboxState, count: number): OutboxState => {
    let next = state;
    for (let i = 0; i < count; i += 1) {
      next = stepOutbox(next, { kind: 'window-closed', draft: draftOf(1) }, offline).state;
    }
    return next;
  };

  it('when offline for months, stays within its bound and keeps every count at an even resolution', () => {
    const windows = 10_000;
    const state = close(emptyOutbox(outbox), windows);
    expect(state.unsent).toHaveLength(limits.outboxUnsentMax);
    expect(counted(state.unsent.map(({ draft: of }) => of))).toBe(windows);
    const spans = state.unsent.map(({ first, last }) => last - first + 1);
    expect(Math.max(...spans)).toBeLessThanOrEqual(256);
    expect(state.unsent[0]?.first).toBe(1);
    expect(state.unsent.at(-1)?.last).toBe(windows);
  });

  it('when a session opens, seals at most the flight, in order, as windows of the schema', () => {
    const validate = createValidator(WindowSchema);
    const step = stepOutbox(close(emptyOutbox(outbox), 20), { kind: 'session-opened' }, online);
    expect(step.publish.map(({ first }) => first)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    for (const { text } of step.publish)
      expect(validate(windowOf(text))).toMatchObject({ ok: true });
    expect(stepOutbox(step.state, { kind: 'session-opened' }, online).publish).toEqual(
      step.publish,
    );
    expect(stepOutbox(step.state, { kind: 'session-opened' }, online).records).toEqual([]);
  });

  it('when sealed windows wait, never merges them', () => {
    const { state } = stepOutbox(close(emptyOutbox(outbox), 8), { kind: 'session-opened' }, online);
    const later = close(state, 500);
    expect(later.sealed).toEqual(state.sealed);
  });

  it('when acknowledged, drops what is covered whole and fills the flight again', () => {
    const { state } = stepOutbox(
      close(emptyOutbox(outbox), 20),
      { kind: 'session-opened' },
      online,
    );
    const step = stepOutbox(state, { kind: 'acknowledged', ack: { outbox, durable: 3 } }, online);
    expect(step.state.sealed.map(({ first }) => first)).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
    expect(step.publish.map(({ first }) => first)).toEqual([9, 10, 11]);
    expect(step.state.durable).toBe(3);
  });

  it('when an acknowledgement is of another store, old, or beyond what was sent, believes only what it may', () => {
    const { state } = stepOutbox(
      close(emptyOutbox(outbox), 20),
      { kind: 'session-opened' },
      online,
    );
    const after = (ack: { outbox: OutboxId; durable: number }) =>
      stepOutbox(state, { kind: 'acknowledged', ack }, offline).state;
    expect(after({ outbox: 'cd'.repeat(16) as OutboxId, durable: 8 })).toEqual(state);
    expect(after({ outbox, durable: 0 })).toEqual(state);
    const beyond = after({ outbox, durable: 1_000_000 });
    expect(beyond.durable).toBe(8);
    expect(beyond.unsent).toHaveLength(12);
  });

  it('when a merged window is acknowledged in part, keeps it whole', () => {
    const merged = close(emptyOutbox(outbox), 2 * limits.outboxUnsentMax);
    const { state } = stepOutbox(merged, { kind: 'session-opened' }, online);
    expect(state.sealed[0]).toMatchObject({ first: 1, last: 2 });
    const part = stepOutbox(state, { kind: 'acknowledged', ack: { outbox, durable: 1 } }, online);
    expect(part.state.sealed[0]).toMatchObject({ first: 1, last: 2 });
  });

  it('when neighbours hold too many models to merge, sheds and says which', () => {
    let state = emptyOutbox(outbox);
    const shed: unknown[] = [];
    for (let i = 0; i <= limits.outboxUnsentMax; i += 1) {
      const models = Array.from({ length: 16 }, (_, k) =>
        modelOf({ digest: digest((i % 2) * 16 + k) }),
      );
      const step = stepOutbox(
        state,
        { kind: 'window-closed', draft: { fromMs: 0, toMs: 1, models } },
        offline,
      );
      shed.push(...step.shed);
      state = step.state;
    }
    expect(shed).toEqual([{ first: 1, last: 2 }]);
    expect(state.unsent).toHaveLength(limits.outboxUnsentMax);
  });

  it('whatever is lost, repeated or forgotten, what is acknowledged plus what waits is what was counted', () => {
    const action = fc.constantFrom(
      'close',
      'close',
      'close',
      'open',
      'lose',
      'ack',
      'stale-ack',
      'restart',
      'cut',
      'resend',
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 400 }), (actions) => {
        const server = new WindowStore();
        let journal = compactOutbox(emptyOutbox(outbox));
        let state = emptyOutbox(outbox);
        let isConnected = false;
        let made = 0;
        let staleAck = server.ack();
        const perform = (event: Parameters<typeof stepOutbox>[1], arrives: boolean): void => {
          const step = stepOutbox(state, event, { isConnected });
          journal = [...journal, ...step.records];
          state = step.state;
          if (arrives) for (const { text } of step.publish) server.receive(text);
        };
        for (const one of actions) {
          if (one === 'close') {
            made += 1;
            perform({ kind: 'window-closed', draft: draftOf(made) }, made % 3 !== 0);
          } else if (one === 'open' || one === 'lose') {
            isConnected = true;
            perform({ kind: 'session-opened' }, one === 'open');
          } else if (one === 'ack') {
            staleAck = server.ack();
            perform({ kind: 'acknowledged', ack: staleAck }, true);
          } else if (one === 'stale-ack') {
            perform({ kind: 'acknowledged', ack: staleAck }, true);
          } else if (one === 'resend') {
            perform({ kind: 'resend-due' }, true);
          } else {
            isConnected = false;
            const replayed = replayOutbox(one === 'cut' ? journal : compactOutbox(state));
            expect(replayed).toEqual(state);
            if (one === 'restart') journal = compactOutbox(state);
          }
          const acknowledged = [...server.windows.values()].filter(
            ({ last }) => last <= state.durable,
          );
          const waiting = [
            ...state.sealed.map(({ text }) => windowOf(text)),
            ...state.unsent.map(({ draft: of }) => of),
          ];
          expect(counted(acknowledged) + counted(waiting)).toBe((made * (made + 1)) / 2);
          expect(state.sealed.length).toBeLessThanOrEqual(limits.outboxInFlightMax);
        }
        // Heal: everything arrives, and the server has every count exactly once.
        isConnected = true;
        perform({ kind: 'session-opened' }, true);
        while (state.sealed.length > 0) perform({ kind: 'acknowledged', ack: server.ack() }, true);
        expect(state.unsent).toEqual([]);
        expect(counted([...server.windows.values()])).toBe((made * (made + 1)) / 2);
      }),
      { numRuns: 60 },
    );
  });
});
