import { Worker } from 'node:worker_threads';
import { builtFile } from '../../shared/adapters/built-file.ts';
import type { Deal, Prepared, PrepareOptions } from './prepare.ts';

export type PrepareNews =
  | { readonly kind: 'dealt'; readonly deal: Deal }
  | { readonly kind: 'prepared'; readonly prepared: Prepared };

/** `prepare` in a thread of its own; the deal comes long before the rest. Both reject with what it throws. */
export function prepareInThread(options: PrepareOptions): {
  readonly deal: Promise<Deal>;
  readonly prepared: Promise<Prepared>;
} {
  const worker = new Worker(builtFile(import.meta.url, './prepare-entry.ts'), {
    workerData: options,
    execArgv: [],
  });
  const deal = new Promise<Deal>((resolve, reject) => {
    worker.on('message', (news: PrepareNews) => {
      if (news.kind === 'dealt') resolve(news.deal);
    });
    worker.once('error', reject);
  });
  const prepared = new Promise<Prepared>((resolve, reject) => {
    worker.on('message', (news: PrepareNews) => {
      if (news.kind === 'prepared') resolve(news.prepared);
    });
    worker.once('error', reject);
  });
  // Whoever waits for one of them learns of the failure; the other must not end the process.
  deal.catch(() => undefined);
  prepared.catch(() => undefined);
  return { deal, prepared };
}
