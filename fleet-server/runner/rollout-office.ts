import type { RolloutRequest } from '../../shared/contracts/rollout.ts';
import type { FleetId, RolloutId, TargetPath } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { BundleStatus } from '../core/model/bundle.ts';
import type { OfferCount, Rollout, RolloutEvent } from '../core/model/rollout.ts';
import type { Page } from '../ports/repositories/page.ts';
import type { RolloutQuery } from '../ports/repositories/rollout-repository.ts';
import type { Store } from '../ports/store.ts';
import { stateOf } from './rollout/rollout-book.ts';
import type { PersonOrder, RolloutDesk } from './rollout/rollout-desk.ts';

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
    const offered = await this.#checkBundle(fleet, request);
    if (!offered.ok) return offered;
    const created = await this.#desk.create(fleet, { request, author });
    return created.ok ? ok({ rollout: created.value, counts: [] }) : created;
  }

  /**
   * Writes the plan of a draft anew; one that waits for approval is a draft again, and what was shown to the approver
   * is void. Its author alone may do it: whoever wrote the plan must not be the one who approves it.
   */
  async edit(
    editor: string,
    { fleet, rollout }: { readonly fleet: FleetId; readonly rollout: RolloutId },
    { request, version }: { readonly request: RolloutRequest; readonly version: number },
  ): Promise<Result<CountedRollout, OfficeRefusal>> {
    const known = await this.get(fleet, rollout);
    if (!known.ok) return known;
    const { author, app } = known.value.rollout;
    if (author !== editor) {
      return err({ code: 'rollout-of-another', message: `${rollout} was drafted by ${author}` });
    }
    if (request.app !== app) {
      const message = `${rollout} is about ${app}; draft another one for ${request.app}`;
      return err({ code: 'rollout-spec-invalid', message, pointer: '/app' });
    }
    const offered = await this.#checkBundle(fleet, request);
    if (!offered.ok) return offered;
    const spec = this.#desk.plan(request);
    if (!spec.ok) return spec;
    const by = { kind: 'person' as const, name: editor };
    const event = { type: 'edited' as const, by, spec: spec.value };
    return this.order({ fleet, rollout }, { event, version });
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
    if (offeringOrders.has(event.type)) {
      const offered = await this.#checkOffered(fleet, rollout);
      if (!offered.ok) return offered;
    }
    const done = await this.#desk.order({ fleet, rollout }, { event, version });
    if (!done.ok) {
      const { code, place } = done.error;
      return err({ code, message: `${rollout} is ${place}` });
    }
    this.#wake();
    return this.get(fleet, rollout);
  }

  async #checkBundle(
    fleet: FleetId,
    { path, digest }: RolloutRequest,
  ): Promise<Result<void, OfficeRefusal>> {
    const bundle = await this.#store.read((view) => view.bundles.get(fleet, path));
    if (bundle?.digest !== digest) {
      const message = bundle === null ? `${path} is not published` : `${path} is ${bundle.digest}`;
      return err({ code: 'bundle-unknown', message, pointer: '/path' });
    }
    return refusalOf(bundle.status, path);
  }

  /** A draft may have waited, and an old rollout is tried again, until its bundle was retired. */
  async #checkOffered(fleet: FleetId, id: RolloutId): Promise<Result<void, OfficeRefusal>> {
    return this.#store.read(async (view) => {
      const row = await view.rollouts.get(fleet, id);
      if (row === null) return notFound(id);
      const { path } = stateOf(row).spec;
      const bundle = await view.bundles.get(fleet, path);
      return bundle === null ? ok(undefined) : refusalOf(bundle.status, path);
    });
  }
}

/** Orders after which devices are offered the bundle that were not before. */
const offeringOrders: ReadonlySet<PersonOrder['type']> = new Set([
  'submitted',
  'approved',
  'retried',
]);

/** Devices install only what is live, and of another bundle the content may be gone. */
function refusalOf(status: BundleStatus, path: TargetPath): Result<void, OfficeRefusal> {
  switch (status) {
    case 'live':
      return ok(undefined);
    case 'revoked':
      return err({ code: 'digest-revoked', message: `${path} is revoked`, pointer: '/path' });
    case 'deprecated':
      return err({ code: 'bundle-not-live', message: `${path} is retired`, pointer: '/path' });
  }
}

const notFound = (id: RolloutId): Result<never, OfficeRefusal> =>
  err({ code: 'not-found', message: `there is no rollout ${id}` });
