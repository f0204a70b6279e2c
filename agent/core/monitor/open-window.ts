import { limits } from '../../../shared/contracts/limits.ts';
import type { DefaultCount, WindowModel } from '../../../shared/contracts/window.ts';
import type { AppName, Digest } from '../../../shared/core/ids.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import { ModelCounts } from './model-counts.ts';
import type { WatchedModel, WatchId } from './watched-model.ts';

/** The counts of every watched model between two closes. Mutable on purpose: the counting path allocates nothing. */
export class OpenWindow {
  /** By watch id; a hole is an id that is no longer used. */
  readonly #watches: (ModelCounts | undefined)[] = [];
  readonly #retired = new Set<WatchId>();
  /** By app and digest. */
  #defaults = new Map<string, DefaultCount>();
  #energyMicrojoules: number | undefined;

  /** Starts watching, or finds the watch of the same app, digest and phase again. */
  watch(model: WatchedModel): WatchId {
    const known = this.#watches.findIndex(
      (counts) => counts !== undefined && isSame(counts, model),
    );
    if (known >= 0) {
      this.#retired.delete(known);
      return known;
    }
    if (this.#live().length >= limits.windowModelsMax) this.#forgetOneRetired();
    const free = this.#watches.indexOf(undefined);
    const id = free >= 0 ? free : this.#watches.length;
    invariant(id < limits.windowModelsMax, 'more models are watched than one window may hold');
    this.#watches[id] = new ModelCounts(model);
    return id;
  }

  /** Its counts leave with the next close; answers below `minCount` never do. */
  unwatch(id: WatchId): void {
    if (this.#watches[id] !== undefined) this.#retired.add(id);
  }

  countsOf(id: WatchId): ModelCounts {
    const counts = this.#watches[id];
    invariant(counts !== undefined, 'an inference is counted for a model nobody watches');
    return counts;
  }

  /** Beyond the bound of one window nothing is counted: a device has a few apps, and one such bundle each. */
  countDefault(app: AppName, digest: Digest): void {
    const key = `${app} ${digest}`;
    const count = this.#defaults.get(key)?.count ?? 0;
    if (count === 0 && this.#defaults.size >= limits.windowModelsMax) return;
    this.#defaults.set(key, { app, digest, count: count + 1 });
  }

  addEnergy(microjoules: number): void {
    this.#energyMicrojoules = (this.#energyMicrojoules ?? 0) + microjoules;
  }

  drain(minCount: number): {
    readonly models: WindowModel[];
    /** In the order of app and digest. */
    readonly defaults: DefaultCount[];
    readonly energyMicrojoules: number | undefined;
  } {
    const models = this.#live()
      .map((counts) => counts.drain(minCount))
      .filter((model) => model !== undefined)
      .sort(byName);
    for (const id of this.#retired) this.#watches[id] = undefined;
    this.#retired.clear();
    const defaults = [...this.#defaults].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
    this.#defaults = new Map();
    const energyMicrojoules = this.#energyMicrojoules;
    this.#energyMicrojoules = undefined;
    return { models, defaults, energyMicrojoules };
  }

  #live(): ModelCounts[] {
    return this.#watches.filter((counts) => counts !== undefined);
  }

  /** Only when a device changes models faster than windows close; what it loses was about to leave. */
  #forgetOneRetired(): void {
    const [oldest] = this.#retired;
    if (oldest === undefined) return;
    this.#watches[oldest] = undefined;
    this.#retired.delete(oldest);
  }
}

const isSame = (counts: ModelCounts, model: WatchedModel): boolean =>
  counts.model.app === model.app &&
  counts.model.digest === model.digest &&
  counts.model.phase === model.phase;

const keyOf = (model: WindowModel): string => `${model.app} ${model.digest} ${model.phase}`;
const byName = (a: WindowModel, b: WindowModel): number => (keyOf(a) < keyOf(b) ? -1 : 1);
