import { codeOf } from '../../shared/core/operating-error.ts';
import type { Broker } from '../ports/broker.ts';
import type { Store } from '../ports/store.ts';

export interface ReadinessParts {
  readonly store: Pick<Store, 'read'>;
  readonly broker: Pick<Broker, 'isOpen'>;
  /** Aborted when the server takes nothing new. */
  readonly closing: AbortSignal;
}

/** Asks both that take work; undefined when they do, otherwise the catalogue code of the first that does not. */
export async function findMissing(parts: ReadinessParts): Promise<string | undefined> {
  const { store, broker, closing } = parts;
  if (closing.aborted) return 'store-closed';
  if (!broker.isOpen()) return 'broker-closed';
  try {
    await store.read((view) => view.audit.last());
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}
