import { limits } from '../../../shared/contracts/limits.ts';
import type { DefaultCount, WindowModel } from '../../../shared/contracts/window.ts';
import { addHistograms } from '../../../shared/stats/histogram.ts';
import type { WindowDraft } from '../monitor/window-draft.ts';

/**
 * Two neighbouring windows as one: every count is an integer sum, so nothing is lost or invented. Distances (PSI, KS)
 * do not add; the receiver computes them again from the counts.
 */
export function mergeWindows(a: WindowDraft, b: WindowDraft): WindowDraft {
  const models = new Map(a.models.map((model) => [keyOf(model), model]));
  for (const model of b.models) {
    const before = models.get(keyOf(model));
    models.set(keyOf(model), before === undefined ? model : mergeModels(before, model));
  }
  const defaults = mergeDefaults([...(a.defaults ?? []), ...(b.defaults ?? [])]);
  const hasEnergy = a.energyMicrojoules !== undefined || b.energyMicrojoules !== undefined;
  return {
    fromMs: Math.min(a.fromMs, b.fromMs),
    toMs: Math.max(a.toMs, b.toMs),
    models: [...models.values()].sort((x, y) => (keyOf(x) < keyOf(y) ? -1 : 1)),
    ...(defaults.length === 0 ? {} : { defaults }),
    ...(hasEnergy
      ? { energyMicrojoules: (a.energyMicrojoules ?? 0) + (b.energyMicrojoules ?? 0) }
      : {}),
  };
}

/** Room for ids, numbers and instants around the models, bytes. */
const envelopeBytes = 512;

/** Whether the window may travel; its text is ASCII by its schema, so its length is its size. */
export const isSendable = (window: WindowDraft): boolean =>
  window.models.length <= limits.windowModelsMax &&
  (window.defaults?.length ?? 0) <= limits.windowModelsMax &&
  JSON.stringify(window).length <= limits.windowBytesMax - envelopeBytes;

/**
 * The last resort of a device that changed models often while it was offline: drift histograms go first, then the
 * models with the fewest inferences. The numbers of the window stay, because a gap would stop every acknowledgement.
 */
export function shedToFit(window: WindowDraft): WindowDraft {
  let fitting: WindowDraft = {
    ...window,
    models: window.models.map((model) => ({ ...model, monitored: [] })),
    ...(window.defaults === undefined ? {} : { defaults: mostGiven(window.defaults) }),
  };
  while (!isSendable(fitting)) {
    const fewest = Math.min(...fitting.models.map((model) => model.inferences));
    const place = fitting.models.findIndex((model) => model.inferences === fewest);
    fitting = { ...fitting, models: fitting.models.filter((_, i) => i !== place) };
  }
  return fitting;
}

const keyOf = (model: WindowModel): string => `${model.app} ${model.digest} ${model.phase}`;

function mergeDefaults(all: readonly DefaultCount[]): DefaultCount[] {
  const sums = new Map<string, DefaultCount>();
  for (const { app, digest, count } of all) {
    const key = `${app} ${digest}`;
    sums.set(key, { app, digest, count: count + (sums.get(key)?.count ?? 0) });
  }
  return [...sums].sort(([x], [y]) => (x < y ? -1 : 1)).map(([, one]) => one);
}

/** As many as one window may name; the order of equals is that of app and digest. */
const mostGiven = (defaults: readonly DefaultCount[]): DefaultCount[] =>
  mergeDefaults([...defaults].sort((x, y) => y.count - x.count).slice(0, limits.windowModelsMax));

function mergeModels(a: WindowModel, b: WindowModel): WindowModel {
  return {
    app: a.app,
    digest: a.digest,
    phase: a.phase,
    inferences: a.inferences + b.inferences,
    errors: mergeErrors(a.errors, b.errors),
    latency: addHistograms(a.latency, b.latency),
    predicted: addHistograms(a.predicted, b.predicted),
    labelled: a.labelled + b.labelled,
    correct: a.correct + b.correct,
    confidenceMicros: a.confidenceMicros + b.confidenceMicros,
    monitored: mergeMonitored(a.monitored, b.monitored),
  };
}

function mergeErrors(a: WindowModel['errors'], b: WindowModel['errors']): WindowModel['errors'] {
  const sums = new Map<string, number>();
  const add = (code: string, count: number): void =>
    void sums.set(code, (sums.get(code) ?? 0) + count);
  for (const { code, count } of [...a, ...b]) add(code, count);
  const codes = [...sums.keys()].sort();
  // Codes beyond the schema's bound are counted together, as in the monitor.
  for (const code of codes.filter((code) => code !== 'unexpected')) {
    if (sums.size <= limits.windowErrorCodesMax) break;
    add('unexpected', sums.get(code) ?? 0);
    sums.delete(code);
  }
  return [...sums].sort(([x], [y]) => (x < y ? -1 : 1)).map(([code, count]) => ({ code, count }));
}

function mergeMonitored(
  a: WindowModel['monitored'],
  b: WindowModel['monitored'],
): WindowModel['monitored'] {
  const names = [...new Set([...a, ...b].map(({ name }) => name))];
  return names.map((name) => {
    const inA = a.find((value) => value.name === name)?.counts ?? [];
    const inB = b.find((value) => value.name === name)?.counts ?? [];
    return { name, counts: addHistograms(inA, inB) };
  });
}
