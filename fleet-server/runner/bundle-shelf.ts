import type { FleetId, TargetPath } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Bundle } from '../core/model/bundle.ts';
import type { Page } from '../ports/repositories/page.ts';
import type { Store } from '../ports/store.ts';

/** The published bundles a fleet may read. */
export class BundleShelf {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async list(
    fleet: FleetId,
    query: { readonly name?: string; readonly page: Page<TargetPath> },
  ): Promise<readonly Bundle[]> {
    return this.#store.read((view) => view.bundles.list(fleet, query));
  }

  async get(
    fleet: FleetId,
    path: TargetPath,
  ): Promise<Result<Bundle, { readonly code: 'not-found'; readonly message: string }>> {
    const bundle = await this.#store.read((view) => view.bundles.get(fleet, path));
    return bundle === null
      ? err({ code: 'not-found', message: `there is no bundle ${path}` })
      : ok(bundle);
  }
}
