import type { Explanation } from '../../shared/contracts/explanation.ts';
import type { DeviceAddress } from '../../shared/contracts/topics.ts';
import type { AppName, Digest, FleetId, RolloutId } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Zones } from '../../shared/ports/zones.ts';
import type { Rollout } from '../core/model/rollout.ts';
import { decideDesired } from '../core/rollout/decide-desired.ts';
import { decideProgress, type Progress } from '../core/rollout/decide-progress.ts';
import { explainAnswering } from '../core/rollout/explain-answering.ts';
import { explainDevice } from '../core/rollout/explain-device.ts';
import { explainRollout } from '../core/rollout/explain-rollout.ts';
import type { DesiredContext, DesiredRollout } from '../core/rollout/offer-facts.ts';
import { souredFact } from '../core/rollout/unjudged-regressions.ts';
import type { Store, StoreView } from '../ports/store.ts';
import { loadDesiredDevice } from './rollout/load-devices.ts';
import { readEvidence } from './rollout/read-evidence.ts';
import { type RolloutBook, standingOf, stateOf } from './rollout/rollout-book.ts';
import { countWave, type WaveCount } from './rollout/wave-walk.ts';

export interface ExplainDeskOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly zones: Zones;
  readonly book: RolloutBook;
  readonly revoked: () => ReadonlySet<Digest>;
  /** What the open wave came to when its devices were last told, while that is believed. */
  readonly walked: (rollout: Rollout) => WaveCount | undefined;
}

export interface ExplainRefusal {
  readonly code: 'not-found';
  readonly message: string;
}

export interface AppExplanation extends Explanation {
  readonly app: AppName;
}

/** Why: the very decisions that act, asked again without acting; nothing is written. */
export class ExplainDesk {
  readonly #options: ExplainDeskOptions;

  constructor(options: ExplainDeskOptions) {
    this.#options = options;
  }

  /** One explanation per app the device has or is wanted for, by app; about one rollout when it is named. */
  async device(
    address: DeviceAddress,
    rollout?: RolloutId,
  ): Promise<Result<readonly AppExplanation[], ExplainRefusal>> {
    const { fleet, device: id } = address;
    return this.#options.store.read<Result<readonly AppExplanation[], ExplainRefusal>>(
      async (view) => {
        const device = await view.devices.get(fleet, id);
        if (device === null) return notFound(`there is no device ${id}`);
        if (rollout !== undefined && (await view.rollouts.get(fleet, rollout)) === null) {
          return notFound(`there is no rollout ${rollout}`);
        }
        const loaded = await loadDesiredDevice(view, device);
        const apps = new Set(loaded.apps.map((app) => app.app));
        for (const app of await view.rollouts.listApps(fleet)) apps.add(app);
        const also = loaded.desired.exposures.map((exposure) => exposure.rollout);
        const rollouts = await this.#startedOf(view, fleet, { apps: [...apps].sort(), also });
        const context = await this.#contextFor(view, fleet, rollouts);
        const decision = decideDesired(loaded.desired, rollouts, context);
        return ok(
          decision.because.map((app) => {
            const reported = loaded.apps.find((one) => one.app === app.app);
            const explained = explainAnswering(explainDevice(id, app, rollout), reported);
            return { app: app.app, ...explained };
          }),
        );
      },
    );
  }

  async rollout(fleet: FleetId, id: RolloutId): Promise<Result<Explanation, ExplainRefusal>> {
    const [row, regressions] = await this.#options.store.read(async (view) => {
      const found = await view.rollouts.get(fleet, id);
      const digests = found === null ? [] : [found.digest];
      return [found, (await standingOf(view, fleet, digests)).regressions] as const;
    });
    if (row === null) return notFound(`there is no rollout ${id}`);
    const state = stateOf(row);
    if (row.status !== 'running') {
      const soured = souredFact(state, regressions);
      return ok(explainRollout(state, null, soured.value === 0 ? [] : [soured]));
    }
    const progress = await this.#options.store.read((view) => this.#nextStep(view, row));
    return ok(explainRollout(state, progress));
  }

  /** With the members of the wave counted as the next turn will count them. */
  async #nextStep(view: StoreView, row: Rollout): Promise<Progress | null> {
    const state = stateOf(row);
    const opened = this.#options.book.open(row);
    if (state.kind !== 'running' || opened === undefined) return null;
    const rollouts = await this.#options.book.startedOf(view, { fleet: row.fleet, app: row.app });
    const context = await this.#contextFor(view, row.fleet, [opened]);
    const scan =
      state.assignment === null
        ? { offerable: 0, blocked: 0 }
        : (this.#options.walked(row) ?? (await countWave(view, opened, { rollouts, context })));
    const now = { nowMs: context.nowMs, revoked: context.revoked, scan };
    return decideProgress(state, await readEvidence(view, state, now));
  }

  async #startedOf(
    view: StoreView,
    fleet: FleetId,
    query: { readonly apps: readonly AppName[]; readonly also: readonly RolloutId[] },
  ): Promise<readonly DesiredRollout[]> {
    const rollouts: DesiredRollout[] = [];
    for (const app of query.apps) {
      rollouts.push(
        ...(await this.#options.book.startedOf(view, { fleet, app, also: query.also })),
      );
    }
    return rollouts;
  }

  async #contextFor(
    view: StoreView,
    fleet: FleetId,
    rollouts: readonly DesiredRollout[],
  ): Promise<DesiredContext> {
    const { clock, zones, revoked } = this.#options;
    const digests = rollouts.map(({ state }) => state.spec.digest);
    const standing = await standingOf(view, fleet, digests);
    return { nowMs: clock.nowMs(), zones, revoked: revoked(), ...standing };
  }
}

const notFound = (message: string): Result<never, ExplainRefusal> =>
  err({ code: 'not-found', message });
