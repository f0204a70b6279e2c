import type { AuditHead } from '../../shared/contracts/desired.ts';
import type { FleetId } from '../../shared/core/ids.ts';
import { auditHeadOf } from '../core/audit/audit-chain.ts';
import type { AuditRow } from '../core/model/audit-row.ts';
import type { HeadKey, WitnessedHead } from '../core/model/audit-witness.ts';
import type { Page } from '../ports/repositories/page.ts';
import type { Store } from '../ports/store.ts';
import type { HeadSigner } from './head-signer.ts';

export interface SignedHead {
  readonly head: AuditHead | null;
  readonly signedHead: string | null;
}

/** The audit chain as people read it. Whether it is whole is for the reader to find out, not for the server to say. */
export class AuditDesk {
  readonly #store: Store;
  readonly #heads: HeadSigner;

  constructor({ store, heads }: { readonly store: Store; readonly heads: HeadSigner }) {
    this.#store = store;
    this.#heads = heads;
  }

  /** Every row of the server: what a verifier reads. */
  async listAll(page: Page<number>): Promise<readonly AuditRow[]> {
    return this.#store.read((view) => view.audit.listAll(page));
  }

  async list(fleet: FleetId, page: Page<number>): Promise<readonly AuditRow[]> {
    return this.#store.read((view) => view.audit.list(fleet, page));
  }

  async head(): Promise<AuditHead | null> {
    return auditHeadOf(await this.#store.read((view) => view.audit.last()));
  }

  /** The head as it would go to a device now. */
  async signedHead(): Promise<SignedHead> {
    const last = await this.#store.read((view) => view.audit.last());
    return { head: auditHeadOf(last), signedHead: (await this.#heads.sign(last)) ?? null };
  }

  /** What devices returned: whoever verifies the chain holds it against these. */
  async listWitnesses(page: Page<HeadKey>): Promise<readonly WitnessedHead[]> {
    return this.#store.read((view) => view.audit.listWitnesses(page));
  }
}
