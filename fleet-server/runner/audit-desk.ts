import type { AuditHead } from '../../shared/contracts/desired.ts';
import type { FleetId } from '../../shared/core/ids.ts';
import { auditHeadOf } from '../core/audit/audit-chain.ts';
import type { AuditRow } from '../core/model/audit-row.ts';
import type { Page } from '../ports/repositories/page.ts';
import type { Store } from '../ports/store.ts';

/** The audit chain as people read it. Whether it is whole is for the reader to find out, not for the server to say. */
export class AuditDesk {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
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
}
