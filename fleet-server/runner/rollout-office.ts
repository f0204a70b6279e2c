import type { RolloutRequest } from '../../shared/contracts/rollout.ts';
import type { FleetId, RolloutId } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { OfferCount, Rollout, RolloutEvent } from '../core/model/rollout.ts';
import type { RolloutEvent as RolloutOrder } from '../core/rollout/rollout-state.ts';
import type { Page } from '../ports/repositories/page.ts';
import type { RolloutQuery } from '../ports/repositories/rollout-repository.ts';
import type { Store } from '../ports/store.ts';
import type { RolloutDesk } from './rollout/rollout-desk.ts';

export interface OfficeRefusal {
  readonly code: string;
  readonly message: string;
  readonly pointer?: string;
}

/** A rollout with how far its devices are. */
export interface CountedRollout {
  readonly rollout: Rollout;
  readonly counts: readonly OfferCount[];
}

type Unordered<E> = E extends unknown ? Omit<E, 'order'> : never;
/** An order as a person gives it; its place among the claims is added here. */
export type PersonOrder = Unordered<
  Extract<
    RolloutOrder,
    {
      readonly type:
        | 'submitted'
        | 'approved'
        | 'denied'
        | 'paused'
        | 'resumed'
        | 'promoted'
        | 'aborted'
        | 'retried'
        | 'edited';
    }
  >
>;

/** Where people meet rollouts: they draft, look and order here; the desk behind it decides and acts. */
export class RolloutOffice {
  readonly #store: Store;
  readonly #desk: RolloutDesk;
  readonly #wake: () => void;

  constructor(options: {
    readonly store: Store;
    readonly desk: RolloutDesk;
    readonly wake: () => void;
  }) {
    this.#store = options.store;
    this.#desk = options.desk;
    this.#wake = options.wake;
  }

  /** The bundle must be published for the fleet, under the very digest that is asked for. */
  async create(
    author: string,
    fleet: FleetId,
    request: RolloutRequest,
  ): Promise<Result<CountedRollout, OfficeRefusal>> {
    const { path, digest } = request;
    const bundle = await this.#store.read((view) => view.bundles.get(fleet, path));
    if (bundle?.digest !== digest) {
      const message = bundle === null ? `${path} is not published` : `${path} is ${bundle.digest}`;
      return err({ code: 'bundle-unknown', message, pointer: '/path' });
    }
    if (bundle.status === 'revoked') {
      return err({ code: 'digest-revoked', message: `${path} is revoked`, pointer: '/path' });
    }
    const created = await this.#desk.create(fleet, { request, author });
    return created.ok ? ok({ rollout: created.value, counts: [] }) : created;
  }

  async list(
    fleet: FleetId,
    query: RolloutQuery & { readonly page: Page<Pick<Rollout, 'createdAtMs' | 'rollout'>> },
  ): Promise<readonly Rollout[]> {
    const { page, ...asked } = query;
    return this.#store.read((view) => view.rollouts.list(fleet, asked, page));
  }

  async get(fleet: FleetId, id: RolloutId): Promise<Result<CountedRollout, OfficeRefusal>> {
    return this.#store.read<Result<CountedRollout, OfficeRefusal>>(async (view) => {
      const rollout = await view.rollouts.get(fleet, id);
      if (rollout === null) return notFound(id);
      return ok({ rollout, counts: await view.offers.counts(fleet, id) });
    });
  }

  async listEvents(
    fleet: FleetId,
    id: RolloutId,
    page: Page<number>,
  ): Promise<Result<readonly RolloutEvent[], OfficeRefusal>> {
    return this.#store.read<Result<readonly RolloutEvent[], OfficeRefusal>>(async (view) => {
      if ((await view.rollouts.get(fleet, id)) === null) return notFound(id);
      return ok(await view.rollouts.listEvents(fleet, id, page));
    });
  }

  /** `version` is the one the person saw. Answers with the rollout after the order. */
  async order(
    { fleet, rollout }: { readonly fleet: FleetId; readonly rollout: RolloutId },
    { event, version }: { readonly event: PersonOrder; readonly version: number },
  ): Promise<Result<CountedRollout, OfficeRefusal>> {
    const needsOrder = event.type === 'submitted' || event.type === 'approved';
    const placed: RolloutOrder = needsOrder
      ? { ...event, order: await this.#desk.nextOrder(fleet) }
      : event;
    const done = await this.#desk.order({ fleet, rollout }, { event: placed, version });
    if (!done.ok) {
      const { code, place } = done.error;
      return err({ code, message: `${rollout} is ${place}` });
    }
    this.#wake();
    return this.get(fleet, rollout);
  }
}

const notFound = (id: RolloutId): Result<never, OfficeRefusal> =>
  err({ code: 'not-found', message: `there is no rollout ${id}` });
