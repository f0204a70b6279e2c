import type { FleetId } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import { type PersonPrincipal, seesFleet } from '../core/access/principal.ts';
import type { Fleet } from '../core/model/fleet.ts';
import type { Store } from '../ports/store.ts';
import { appendAudit } from './append-audit.ts';

/** The fleets of this server. */
export class FleetDesk {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(options: { readonly store: Store; readonly clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  async exists(fleet: FleetId): Promise<boolean> {
    return (await this.#store.read((view) => view.fleets.get(fleet))) !== null;
  }

  /** Those the asking one may see, by name. */
  async list(by: PersonPrincipal): Promise<readonly Fleet[]> {
    const all = await this.#store.read((view) => view.fleets.list());
    return all.filter(({ fleet }) => seesFleet(by, fleet));
  }

  async create(
    by: string,
    { fleet, title }: Pick<Fleet, 'fleet' | 'title'>,
  ): Promise<Result<Fleet, { readonly code: 'name-taken'; readonly message: string }>> {
    const atMs = this.#clock.nowMs();
    return this.#store.transaction(async (tx) => {
      if ((await tx.fleets.get(fleet)) !== null) {
        return err({ code: 'name-taken', message: `there is a fleet ${fleet}` });
      }
      const row = { fleet, atMs, actor: by, action: 'fleet-created', subject: fleet };
      await appendAudit(tx, { ...row, details: { title } });
      const created = { fleet, title, createdAtMs: atMs };
      await tx.fleets.insert(created);
      return ok(created);
    });
  }
}
