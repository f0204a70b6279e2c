import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import type { Store } from '../ports/store.ts';

export interface Meters {
  readonly metrics: Metrics;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

/** The same store, counted: how often it writes, how long that takes, and what it refuses. */
export function meterStore(store: Store, { metrics, clock }: Meters): Store {
  const counted = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      // A bug in the caller's work is no failure of the store.
      if (error instanceof OperatingError) {
        metrics.count('skein_store_failures_total', 1, { code: error.code });
      }
      throw error;
    }
  };
  return {
    transaction: async (work) => {
      const startedMs = clock.monotonicMs();
      const done = await counted(store.transaction(work));
      metrics.count('skein_store_transactions_total');
      const seconds = (clock.monotonicMs() - startedMs) / 1_000;
      metrics.observe('skein_store_transaction_seconds', seconds);
      return done;
    },
    read: (work) => counted(store.read(work)),
    close: () => store.close(),
  };
}
