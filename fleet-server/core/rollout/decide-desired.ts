import type { DesiredEntry } from '../../../shared/contracts/desired.ts';
import type { Fact } from '../../../shared/contracts/explanation.ts';
import type { AppName, RolloutId } from '../../../shared/core/ids.ts';
import {
  type DesiredContext,
  type DesiredDevice,
  type DesiredRollout,
  exposureOf,
  isMember,
  offerFacts,
  type Rivals,
} from './offer-facts.ts';

export interface DesiredDecision {
  /** Sorted by app. */
  readonly desired: ReadonlyMap<AppName, DesiredEntry>;
  readonly changed: boolean;
  /** The generation to sign when `changed`: always higher, also when it goes back. */
  readonly generation: number;
  /** One per app that the device or a rollout names, sorted. */
  readonly because: readonly AppDecision[];
}

export interface AppDecision {
  readonly app: AppName;
  /** `withdraw`: what stood there may not run, and nothing else is known. */
  readonly decision: 'offer' | 'restore' | 'withdraw' | 'keep';
  readonly entry: DesiredEntry | null;
  /** The entry before an offer: what the exposure stores, and an abort restores. */
  readonly previous: DesiredEntry | null;
  /** The rollout that offers, or that made the device go back. */
  readonly rollout: RolloutId | null;
  /** Rollouts of which the device's unfinished exposure ends by this offer. */
  readonly supersedes: readonly RolloutId[];
  /** Each started rollout of the app that wanted or could want this device, newest first. */
  readonly considered: readonly Considered[];
}

export interface Considered {
  readonly rollout: RolloutId;
  readonly outcome: 'offered' | 'stands' | 'waits';
  readonly facts: readonly Fact[];
}

/**
 * Composes what a device shall run. Per app: (1) go back from what was aborted or revoked, entry by entry to the
 * device's own previous one; (2) take what the newest completed rollout gives; (3) take what the rollout holding the
 * claim gives, if it is this device's turn. Nothing else ever changes an entry.
 *
 * `rollouts` are the started ones that name the device's apps, in any order.
 */
export function decideDesired(
  device: DesiredDevice,
  rollouts: readonly DesiredRollout[],
  context: DesiredContext,
): DesiredDecision {
  const apps = new Set(device.desired.keys());
  for (const { state } of rollouts) apps.add(state.spec.app);
  const because = [...apps].sort().map((app) => {
    const ofApp = rollouts
      .filter(({ state }) => state.spec.app === app)
      .sort((a, b) => a.state.order - b.state.order);
    return decideApp(app, ofApp, { device, context });
  });
  const desired = new Map<AppName, DesiredEntry>();
  for (const { app, entry } of because) if (entry !== null) desired.set(app, entry);
  const changed = because.some(({ decision }) => decision !== 'keep');
  const generation = changed ? device.generation + 1 : device.generation;
  return { desired, changed, generation, because };
}

interface Scope {
  readonly device: DesiredDevice;
  readonly context: DesiredContext;
}

/** `rollouts` of one app, oldest first. */
function decideApp(app: AppName, rollouts: readonly DesiredRollout[], scope: Scope): AppDecision {
  const current = scope.device.desired.get(app) ?? null;
  const base = goBack(current, rollouts, scope);
  const members = rollouts.filter((rollout) =>
    isMember(scope.device, rollout, scope.context.nowMs),
  );
  const holder = claimHolder(members, orderOf(base, rollouts));
  const candidates = [
    members.filter(({ state }) => state.kind === 'completed').at(-1),
    holder,
  ].filter((rollout) => rollout !== undefined);
  let entry = base;
  let offering: DesiredRollout | undefined;
  for (const candidate of candidates) {
    const rivals = rivalsAt(entry, holder, rollouts);
    const facts = offerFacts(scope.device, candidate, { rivals, context: scope.context });
    if (facts.some((fact) => fact.blocks) || stands(entry, candidate, scope.device)) continue;
    entry = entryOf(candidate);
    offering = candidate;
  }
  const rivals = rivalsAt(entry, holder, rollouts);
  const considered = [...rollouts]
    .reverse()
    .filter(({ state }) => state.kind !== 'aborting' && state.kind !== 'aborted')
    .map((rollout): Considered => {
      const facts = offerFacts(scope.device, rollout, { rivals, context: scope.context });
      const outcome =
        rollout === offering
          ? 'offered'
          : stands(entry, rollout, scope.device)
            ? 'stands'
            : 'waits';
      return { rollout: rollout.state.id, outcome, facts };
    });
  const common = { app, entry, considered };
  if (offering !== undefined) {
    const supersedes = supersededBy(offering, scope.device);
    const rollout = offering.state.id;
    return { ...common, decision: 'offer', previous: base, rollout, supersedes };
  }
  const rest = { ...common, previous: null, supersedes: [] };
  if (base === current) return { ...rest, decision: 'keep', rollout: null };
  const rollout = current?.rollout ?? null;
  return { ...rest, decision: base === null ? 'withdraw' : 'restore', rollout };
}

/**
 * Steps back while the entry came from an aborted rollout or names a revoked digest. Each step takes the entry that
 * was stored when this one was offered to this very device; without one there is nothing to go back to.
 */
function goBack(
  current: DesiredEntry | null,
  rollouts: readonly DesiredRollout[],
  { device, context }: Scope,
): DesiredEntry | null {
  let entry = current;
  // Each step uses up one exposure, so there are at most as many steps.
  for (let i = 0; i <= device.exposures.length && entry !== null; i += 1) {
    const from = entry.rollout;
    const state = rollouts.find((rollout) => rollout.state.id === from)?.state;
    const isAborted = state?.kind === 'aborting' || state?.kind === 'aborted';
    if (!isAborted && !context.revoked.has(entry.digest)) return entry;
    entry = (from === undefined ? undefined : exposureOf(device, from))?.previous ?? null;
  }
  return null;
}

/**
 * The oldest that runs or pauses, unless a newer one says `supersede`. What the device has left
 * behind holds nothing.
 */
function claimHolder(
  members: readonly DesiredRollout[],
  currentOrder: number,
): DesiredRollout | undefined {
  const active = members.filter(
    ({ state }) =>
      (state.kind === 'running' || state.kind === 'paused') && state.order >= currentOrder,
  );
  return active.filter(({ state }) => state.spec.supersede).at(-1) ?? active[0];
}

const rivalsAt = (
  entry: DesiredEntry | null,
  holder: DesiredRollout | undefined,
  rollouts: readonly DesiredRollout[],
): Rivals => ({
  holder: holder?.state.id ?? null,
  current: { rollout: entry?.rollout ?? null, order: orderOf(entry, rollouts) },
});

const orderOf = (entry: DesiredEntry | null, rollouts: readonly DesiredRollout[]): number =>
  rollouts.find(({ state }) => state.id === entry?.rollout)?.state.order ?? -1;

/** The entry already is what the rollout would give. A retry concerns only devices on which it failed. */
function stands(
  entry: DesiredEntry | null,
  { state }: DesiredRollout,
  device: DesiredDevice,
): boolean {
  if (entry?.rollout !== state.id) return false;
  return entry.retry >= state.retry || exposureOf(device, state.id)?.phase !== 'failed';
}

const entryOf = ({ state }: DesiredRollout): DesiredEntry => ({
  app: state.spec.app,
  path: state.spec.path,
  digest: state.spec.digest,
  rollout: state.id,
  retry: state.retry,
});

const unfinished = new Set(['offered', 'acknowledged', 'unreached']);

const supersededBy = (offering: DesiredRollout, device: DesiredDevice): RolloutId[] =>
  device.exposures
    .filter(
      (exposure) =>
        exposure.app === offering.state.spec.app &&
        exposure.rollout !== offering.state.id &&
        unfinished.has(exposure.phase),
    )
    .map((exposure) => exposure.rollout)
    .sort();
