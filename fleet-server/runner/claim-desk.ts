import { limits } from '../../shared/contracts/limits.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import type { FleetId } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Random } from '../../shared/ports/random.ts';
import { sha256Hex } from '../../shared/trust/hash.ts';
import type { Claim } from '../core/model/access.ts';
import type { Store } from '../ports/store.ts';
import { appendAudit } from './append-audit.ts';

export type ClaimRequest = Pick<Claim, 'idPattern' | 'preAuthorized' | 'tags'> & {
  readonly uses: number;
  readonly lifeMs: number;
};

export interface IssuedClaim {
  /** Shown once: 128 random bits. The server keeps its hash. */
  readonly claim: string;
  readonly record: Claim;
}

/** Permissions to enrol: made, listed, taken back. */
export class ClaimDesk {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(options: { readonly store: Store; readonly clock: Clock; readonly random: Random }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  async create(by: string, fleet: FleetId, request: ClaimRequest): Promise<IssuedClaim> {
    const { idPattern, uses, preAuthorized, tags } = request;
    const atMs = this.#clock.nowMs();
    const claim = hexOf(this.#random.bytes(16));
    const record: Claim = {
      fleet,
      claimHash: sha256Hex(utf8(claim)),
      idPattern,
      usesLeft: uses,
      expiresAtMs: atMs + Math.min(request.lifeMs, limits.claimLifeMsMax),
      preAuthorized,
      tags,
      createdAtMs: atMs,
      createdBy: by,
    };
    await this.#store.transaction(async (tx) => {
      const { claimHash, expiresAtMs } = record;
      const details = { idPattern, uses, expiresAtMs, preAuthorized, tags: { ...tags } };
      const row = { fleet, atMs, actor: by, action: 'claim-created', subject: claimHash };
      await appendAudit(tx, { ...row, details });
      await tx.claims.insert(record);
    });
    return { claim, record };
  }

  async list(fleet: FleetId): Promise<readonly Claim[]> {
    return this.#store.read((view) => view.claims.list(fleet));
  }

  async remove(
    by: string,
    fleet: FleetId,
    claimHash: string,
  ): Promise<Result<Claim, { readonly code: 'not-found'; readonly message: string }>> {
    const atMs = this.#clock.nowMs();
    return this.#store.transaction(async (tx) => {
      const claim = await tx.claims.find(fleet, claimHash);
      if (claim === null) return err({ code: 'not-found', message: 'there is no such claim' });
      const row = { fleet, atMs, actor: by, action: 'claim-removed', subject: claimHash };
      await appendAudit(tx, { ...row, details: {} });
      await tx.claims.remove(fleet, claimHash);
      return ok(claim);
    });
  }
}
