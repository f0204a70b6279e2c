import { limits } from '../../../shared/contracts/limits.ts';
import type { AppName, Digest } from '../../../shared/core/ids.ts';
import { OpenWindow } from './open-window.ts';
import type { CountedAnswer, WatchedModel, WatchId } from './watched-model.ts';
import { draftWindows, type WindowDraft } from './window-draft.ts';

export interface MonitorState {
  readonly window: OpenWindow;
  /** Wall clock at the opening; informative. */
  readonly openedAtMs: number;
  readonly closesAtMonotonicMs: number;
}

export interface MonitorContext {
  readonly nowMs: number;
  readonly monotonicMs: number;
  readonly windowMs: number;
  /** Owner's minimum count; never below the house's. */
  readonly minCount?: number;
}

export type MonitorEvent =
  | { readonly kind: 'inference-answered'; readonly watch: WatchId; readonly answer: CountedAnswer }
  | { readonly kind: 'inference-failed'; readonly watch: WatchId; readonly code: string }
  /** No model may run, and the bundle's default answer was given. */
  | { readonly kind: 'default-answered'; readonly app: AppName; readonly digest: Digest }
  /** A label that came after its answer; counted in the window it arrives in. */
  | { readonly kind: 'label-learned'; readonly watch: WatchId; readonly isCorrect: boolean }
  | { readonly kind: 'energy-metered'; readonly microjoules: number }
  | { readonly kind: 'model-unwatched'; readonly watch: WatchId }
  | { readonly kind: 'clock-ticked' }
  /** SIGTERM: what was counted is closed now, whatever the clock says. */
  | { readonly kind: 'shutdown-begun' };

export type MonitorEffect = { readonly kind: 'append-window'; readonly draft: WindowDraft };

export interface MonitorStep {
  readonly state: MonitorState;
  readonly effects: readonly MonitorEffect[];
}

export function openMonitor(context: MonitorContext): MonitorState {
  return { window: new OpenWindow(), ...openedAt(context) };
}

/** Starts watching a model; the handle is what its inferences are counted under. */
export const watchModel = (state: MonitorState, model: WatchedModel): WatchId =>
  state.window.watch(model);

const noEffects: readonly MonitorEffect[] = [];

/**
 * Counts what happened into the open window and closes it by clock. The window itself is changed in place and the
 * same state comes back, because a new one per inference would cost more than the counting.
 */
export function stepMonitor(
  state: MonitorState,
  event: MonitorEvent,
  context: MonitorContext,
): MonitorStep {
  switch (event.kind) {
    case 'inference-answered':
      state.window.countsOf(event.watch).countAnswer(event.answer);
      break;
    case 'inference-failed':
      state.window.countsOf(event.watch).countFailure(event.code);
      break;
    case 'default-answered':
      state.window.countDefault(event.app, event.digest);
      break;
    case 'label-learned':
      state.window.countsOf(event.watch).countLabel(event.isCorrect);
      break;
    case 'energy-metered':
      state.window.addEnergy(event.microjoules);
      break;
    case 'model-unwatched':
      state.window.unwatch(event.watch);
      break;
    case 'clock-ticked':
      if (context.monotonicMs >= state.closesAtMonotonicMs) return close(state, context);
      break;
    case 'shutdown-begun':
      return close(state, context);
  }
  return { state, effects: noEffects };
}

function close(state: MonitorState, context: MonitorContext): MonitorStep {
  const minCount = Math.max(limits.windowMinCount, context.minCount ?? 0);
  const { models, defaults, energyMicrojoules } = state.window.drain(minCount);
  const drafts = draftWindows({
    fromMs: state.openedAtMs,
    // The wall clock may have been set back in between; a window never ends before it begins.
    toMs: Math.max(state.openedAtMs, instantOf(context.nowMs)),
    models,
    ...(defaults.length === 0 ? {} : { defaults }),
    ...(energyMicrojoules === undefined ? {} : { energyMicrojoules }),
  });
  return {
    state: { window: state.window, ...openedAt(context) },
    effects: drafts.map((draft) => ({ kind: 'append-window', draft })),
  };
}

/** Measured from now, not from the last close: a device that slept through ten windows closes one. */
const openedAt = (context: MonitorContext) => ({
  openedAtMs: instantOf(context.nowMs),
  closesAtMonotonicMs: context.monotonicMs + context.windowMs,
});

/** Last millisecond of the year 9999, as in `InstantMsSchema`. */
const instantMsMax = 253_402_300_799_999;
const instantOf = (nowMs: number): number => Math.min(instantMsMax, Math.max(0, Math.floor(nowMs)));
