import type { Explanation } from '../../../shared/contracts/explanation.ts';
import type { RoundRequest } from '../../../shared/contracts/federation.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceAddress } from '../../../shared/contracts/topics.ts';
import type { Digest, FleetId, RoundId } from '../../../shared/core/ids.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { Round } from '../../core/model/round.ts';
import type { Page } from '../../ports/repositories/page.ts';
import type { Store } from '../../ports/store.ts';
import type { Federation } from './federation.ts';

export interface RoundRefusal {
  readonly code: string;
  readonly message: string;
}

type Answer<T> = Promise<Result<T, RoundRefusal>>;

export interface RoundOfficeOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Undefined where the server holds no rounds: looking works all the same. */
  readonly federation: Federation | undefined;
}

/** Where people and devices meet rounds: the doors ask here, the desk and the intake behind it decide and act. */
export class RoundOffice {
  readonly #options: RoundOfficeOptions;

  constructor(options: RoundOfficeOptions) {
    this.#options = options;
  }

  async create(author: string, fleet: FleetId, request: RoundRequest): Answer<Round> {
    const { federation } = this.#options;
    if (federation === undefined) return federationOff;
    const created = await federation.desk.create(fleet, { request, author });
    return created.ok ? this.get(fleet, created.value.plan.round) : created;
  }

  /** Newest first. */
  list(
    fleet: FleetId,
    page: Page<Pick<Round, 'createdAtMs' | 'round'>>,
  ): Promise<readonly Round[]> {
    return this.#options.store.read((view) => view.rounds.list(fleet, page));
  }

  async get(fleet: FleetId, round: RoundId): Answer<Round> {
    const row = await this.#options.store.read((view) => view.rounds.get(fleet, round));
    return row === null ? notFound(round) : ok(row);
  }

  async explain(fleet: FleetId, round: RoundId): Answer<Explanation> {
    const { federation } = this.#options;
    if (federation === undefined) return federationOff;
    const explanation = await federation.desk.explain(fleet, round);
    return explanation === undefined ? notFound(round) : ok(explanation);
  }

  /** `version` is the one the person saw. */
  async abandon(
    { fleet, round }: { readonly fleet: FleetId; readonly round: RoundId },
    order: { readonly actor: string; readonly version: number },
  ): Answer<Round> {
    const { federation } = this.#options;
    const known = await this.get(fleet, round);
    if (!known.ok) return known;
    if (federation === undefined) return federationOff;
    const done = await federation.desk.abandon(fleet, { round, ...order });
    return done.ok ? this.get(fleet, round) : done;
  }

  /** Keeps labelled inputs that candidates are gated on. A round that names them holds them until it has ended. */
  async keepHeldOut(digest: Digest, body: AsyncIterable<Uint8Array>): Answer<number> {
    const { federation } = this.#options;
    if (federation === undefined) return federationOff;
    const terms = { purpose: 'round', bytesMax: limits.heldOutBytesMax } as const;
    return federation.shelf.putBlob(digest, body, terms);
  }

  /** A device's update. No byte is read for a round that is over, or for a device that was not chosen. */
  async receiveUpdate(
    address: DeviceAddress,
    round: RoundId,
    read: (bytesMax: number) => Promise<Uint8Array>,
  ): Answer<{ readonly digest: Digest; readonly bytes: number }> {
    const { federation } = this.#options;
    if (federation === undefined) return federationOff;
    const expected = await federation.updates.expectedBytes(address, round);
    if (!expected.ok) return expected;
    const bytes = await read(expected.value);
    const kept = await federation.updates.receiveUpdate(address, round, bytes);
    return kept.ok ? ok({ digest: kept.value, bytes: bytes.length }) : kept;
  }
}

const federationOff = err({
  code: 'federation-off',
  message: 'this server was started without a repository to publish candidates in',
});

const notFound = (round: RoundId): Result<never, RoundRefusal> =>
  err({ code: 'not-found', message: `there is no round ${round}` });
