import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createValidator } from '../../../shared/codec/validator.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { type WindowModel, WindowSchema } from '../../../shared/contracts/window.ts';
import type { AppName, Digest } from '../../../shared/core/ids.ts';
import {
  type MonitorContext,
  type MonitorEvent,
  type MonitorState,
  openMonitor,
  stepMonitor,
  watchModel,
} from './step-monitor.ts';
import type { CountedAnswer, WatchedModel } from './watched-model.ts';
import { draftWindows, type WindowDraft } from './window-draft.ts';

const digest = (n: number): Digest => `sha256:${n.toString(16).padStart(64, '0')}` as Digest;
const model = (changes: Partial<WatchedModel> = {}): WatchedModel => ({
  app: 'filetype' as AppName,
  digest: digest(1),
  phase: 'committed',
  classes: 3,
  monitored: [
    {
      name: 'confidence',
      source: { kind: 'confidence' },
      edges: [0.25, 0.5, 0.75],
      counts: [10, 20, 30, 40],
    },
  ],
  ...changes,
});
const answer = (changes: Partial<CountedAnswer> = {}): CountedAnswer => ({
  predicted: 1,
  confidence: 0.8,
  runMs: 2,
  values: [0.8],
  isCorrect: undefined,
  ...changes,
});
const at = (monotonicMs: number): MonitorContext => ({
  nowMs: 1_000_000 + monotonicMs,
  monotonicMs,
  windowMs: 1000,
});

function run(
  state: MonitorState,
  events: readonly MonitorEvent[],
  context: MonitorContext,
): WindowDraft[] {
  const drafts: WindowDraft[] = [];
  for (const event of events) {
    for (const effect of stepMonitor(state, event, context).effects) drafts.push(effect.draft);
  }
  return drafts;
}

const answers = (watch: number, count: number, each = answer()): MonitorEvent[] =>
  Array.from({ length: count }, () => ({ kind: 'inference-answered', watch, answer: each }));

describe('stepMonitor', () => {
  it('when the clock has not reached the end of the window, keeps counting', () => {
    const state = openMonitor(at(0));
    const watch = watchModel(state, model());
    expect(run(state, [...answers(watch, 30), { kind: 'clock-ticked' }], at(999))).toEqual([]);
  });

  it('when the window ends, gives every count of it once', () => {
    const state = openMonitor(at(0));
    const watch = watchModel(state, model());
    const events: MonitorEvent[] = [
      ...answers(watch, 25, answer({ isCorrect: true })),
      ...answers(watch, 5, answer({ predicted: 7, confidence: 0.1, values: [0.1] })),
      { kind: 'inference-failed', watch, code: 'inference-timeout' },
      { kind: 'label-learned', watch, isCorrect: false },
      { kind: 'energy-metered', microjoules: 12 },
      { kind: 'clock-ticked' },
    ];
    const [draft, ...more] = run(state, events, at(1000));
    expect(more).toEqual([]);
    expect(draft).toMatchObject({ fromMs: 1_000_000, toMs: 1_001_000, energyMicrojoules: 12 });
    expect(draft?.models).toHaveLength(1);
    expect(draft?.models[0]).toMatchObject({
      inferences: 31,
      errors: [{ code: 'inference-timeout', count: 1 }],
      // Class 7 of 3 is unseen: counted in the last place, never named.
      predicted: [0, 25, 0, 5],
      labelled: 26,
      correct: 25,
      confidenceMicros: 25 * 800_000 + 5 * 100_000,
      monitored: [{ name: 'confidence', counts: [5, 0, 0, 25] }],
    });
    expect(draft?.models[0]?.latency.reduce((a, b) => a + b, 0)).toBe(30);
    expect(run(state, [{ kind: 'shutdown-begun' }], at(1001))).toEqual([]);
  });

  it('when fewer than the minimum count were answered, holds histograms back until they are enough', () => {
    const state = openMonitor(at(0));
    const watch = watchModel(state, model());
    const first = run(state, [...answers(watch, 19), { kind: 'clock-ticked' }], at(1000));
    expect(first[0]?.models[0]).toMatchObject({
      inferences: 19,
      latency: [],
      predicted: [],
      monitored: [],
      confidenceMicros: 0,
    });
    const second = run(state, [...answers(watch, 1), { kind: 'shutdown-begun' }], at(2000));
    expect(second[0]?.models[0]).toMatchObject({ inferences: 1, predicted: [0, 20, 0, 0] });
  });

  it('when the owner asks for a larger minimum, obeys; for a smaller one, does not', () => {
    for (const [minCount, leaves] of [
      [50, false],
      [1, false],
      [19, false],
    ] as const) {
      const state = openMonitor(at(0));
      const watch = watchModel(state, model());
      const [draft] = run(
        state,
        [...answers(watch, minCount === 50 ? 49 : 19), { kind: 'shutdown-begun' }],
        {
          ...at(5),
          minCount,
        },
      );
      expect(draft?.models[0]?.predicted.length !== 0).toBe(leaves);
    }
  });

  it('when values are far from the reference, names the distances; when chance explains them, does not', () => {
    const state = openMonitor(at(0));
    const watch = watchModel(state, model());
    const shares = [0.1, 0.3, 0.3, 0.6, 0.6, 0.6, 0.9, 0.9, 0.9, 0.9];
    const usual = shares.flatMap((value) => answers(watch, 10, answer({ values: [value] })));
    const [steady] = run(state, [...usual, { kind: 'shutdown-begun' }], at(1));
    expect(steady?.models[0]?.monitored[0]).toEqual({
      name: 'confidence',
      counts: [10, 20, 30, 40],
    });
    const low = answers(watch, 100, answer({ values: [0.1] }));
    const [drifted] = run(state, [...low, { kind: 'shutdown-begun' }], at(2));
    expect(drifted?.models[0]?.monitored[0]?.ks).toBeCloseTo(0.9, 6);
    expect(drifted?.models[0]?.monitored[0]?.psi).toBeGreaterThan(1);
  });

  it('when a model is unwatched, sends what is enough and forgets what is not', () => {
    const state = openMonitor(at(0));
    const watch = watchModel(state, model({ phase: 'probation' }));
    run(state, [...answers(watch, 10), { kind: 'clock-ticked' }], at(1000));
    const drafts = run(
      state,
      [{ kind: 'model-unwatched', watch }, { kind: 'shutdown-begun' }],
      at(1500),
    );
    expect(drafts).toEqual([]);
    const again = watchModel(state, model({ phase: 'probation' }));
    const [draft] = run(state, [...answers(again, 15), { kind: 'shutdown-begun' }], at(1600));
    expect(draft?.models[0]?.predicted).toEqual([]);
  });

  it('when one model is watched in two phases, keeps their counts apart', () => {
    const state = openMonitor(at(0));
    const probation = watchModel(state, model({ phase: 'probation' }));
    const committed = watchModel(state, model());
    expect(watchModel(state, model())).toBe(committed);
    const [draft] = run(
      state,
      [...answers(probation, 20), ...answers(committed, 40), { kind: 'shutdown-begun' }],
      at(1),
    );
    expect(draft?.models.map(({ phase, inferences }) => [phase, inferences])).toEqual([
      ['committed', 40],
      ['probation', 20],
    ]);
  });

  it('when the wall clock is set back, never ends a window before it begins', () => {
    const state = openMonitor(at(0));
    const watch = watchModel(state, model());
    const [draft] = run(state, [...answers(watch, 20), { kind: 'clock-ticked' }], {
      ...at(5000),
      nowMs: 12,
    });
    expect(draft).toMatchObject({ fromMs: 1_000_000, toMs: 1_000_000 });
  });

  it('when errors have more codes than the bound, counts the rest together', () => {
    const state = openMonitor(at(0));
    const watch = watchModel(state, model());
    const events: MonitorEvent[] = Array.from({ length: 100 }, (_, i) => ({
      kind: 'inference-failed',
      watch,
      code: `code-${i}`,
    }));
    const [draft] = run(state, [...events, { kind: 'shutdown-begun' }], at(1));
    const errors = draft?.models[0]?.errors ?? [];
    expect(errors).toHaveLength(limits.windowErrorCodesMax);
    expect(errors.reduce((sum, { count }) => sum + count, 0)).toBe(100);
  });

  it('when default answers are given, counts them apart from every model and lets them leave once', () => {
    const state = openMonitor(at(0));
    const watch = watchModel(state, model());
    const given = { kind: 'default-answered', app: 'filetype' as AppName } as const;
    const events: MonitorEvent[] = [
      ...answers(watch, 30),
      { ...given, digest: digest(2) },
      { ...given, digest: digest(1) },
      { ...given, digest: digest(2) },
      { kind: 'clock-ticked' },
    ];
    const [draft, ...more] = run(state, events, at(1000));
    expect(more).toEqual([]);
    expect(draft?.defaults).toEqual([
      { app: 'filetype', digest: digest(1), count: 1 },
      { app: 'filetype', digest: digest(2), count: 2 },
    ]);
    expect(draft?.models).toHaveLength(1);
    expect(draft?.models[0]).toMatchObject({ inferences: 30, predicted: [0, 30, 0, 0] });
    const next: MonitorEvent[] = [{ ...given, digest: digest(1) }, { kind: 'shutdown-begun' }];
    const [alone] = run(state, next, at(1500));
    expect(alone).toMatchObject({ models: [], defaults: [{ digest: digest(1), count: 1 }] });
    expect(run(state, [{ kind: 'shutdown-begun' }], at(1600))).toEqual([]);
  });

  it('when more bundles give default answers than a window may name, keeps the bound', () => {
    const state = openMonitor(at(0));
    const given = Array.from({ length: limits.windowModelsMax + 3 }, (_, n): MonitorEvent => {
      return { kind: 'default-answered', app: 'filetype' as AppName, digest: digest(n) };
    });
    const [draft] = run(state, [...given, { kind: 'shutdown-begun' }], at(1));
    expect(draft?.defaults).toHaveLength(limits.windowModelsMax);
  });

  it('whatever is counted, all of it leaves exactly once, in windows the schema accepts', () => {
    const validate = createValidator(WindowSchema);
    const step = fc.oneof(
      {
        weight: 20,
        arbitrary: fc.record({
          kind: fc.constant('answer'),
          predicted: fc.integer({ min: -1, max: 4 }),
        }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('fail'), predicted: fc.constant(0) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('tick'), predicted: fc.constant(0) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const state = openMonitor(at(0));
        const watch = watchModel(state, model());
        const drafts: WindowDraft[] = [];
        let time = 0;
        let answered = 0;
        let failed = 0;
        for (const { kind, predicted } of steps) {
          if (kind === 'answer') answered += 1;
          if (kind === 'fail') failed += 1;
          time += kind === 'tick' ? 1000 : 0;
          const event: MonitorEvent =
            kind === 'answer'
              ? { kind: 'inference-answered', watch, answer: answer({ predicted }) }
              : kind === 'fail'
                ? { kind: 'inference-failed', watch, code: 'inference-failed' }
                : { kind: 'clock-ticked' };
          drafts.push(...run(state, [event], at(time)));
        }
        drafts.push(...run(state, [{ kind: 'shutdown-begun' }], at(time)));
        const held = state.window.countsOf(watch).answered;
        const sum = (pick: (m: WindowModel) => number): number =>
          drafts.flatMap((draft) => draft.models).reduce((total, m) => total + pick(m), 0);
        const total = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
        expect(held).toBeLessThan(limits.windowMinCount);
        expect(sum((m) => m.inferences)).toBe(answered + failed);
        expect(sum((m) => total(m.predicted))).toBe(answered - held);
        expect(sum((m) => total(m.latency))).toBe(answered - held);
        expect(sum((m) => total(m.monitored[0]?.counts ?? []))).toBe(answered - held);
        expect(sum((m) => total(m.errors.map(({ count }) => count)))).toBe(failed);
        for (const draft of drafts) {
          const window = { outbox: '0'.repeat(32), first: 0, last: 0, ...draft };
          expect(validate(window)).toMatchObject({ ok: true });
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('draftWindows', () => {
  it('when models are too many or too large for one window, splits between models and loses none', () => {
    const wide = Array.from({ length: 64 }, (_, i) => ({
      name: `v${i}`,
      counts: new Array<number>(64).fill(123_456),
    }));
    const models = Array.from(
      { length: 20 },
      (_, i): WindowModel => ({
        app: 'filetype' as AppName,
        digest: digest(i),
        phase: 'committed',
        inferences: i,
        errors: [],
        latency: [],
        predicted: [],
        labelled: 0,
        correct: 0,
        confidenceMicros: 0,
        monitored: i < 4 ? wide : [],
      }),
    );
    const drafts = draftWindows({ fromMs: 0, toMs: 1, models, energyMicrojoules: 5 });
    expect(drafts.flatMap((draft) => draft.models)).toEqual(models);
    expect(drafts.map((draft) => draft.energyMicrojoules)).toEqual([
      5,
      ...new Array<undefined>(drafts.length - 1).fill(undefined),
    ]);
    for (const draft of drafts) {
      expect(JSON.stringify(draft).length).toBeLessThan(limits.windowBytesMax);
      expect(draft.models.length).toBeLessThanOrEqual(limits.windowModelsMax);
    }
  });
});
