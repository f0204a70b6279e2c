import type { Device } from '../core/model/device.ts';
import type { Exposure } from '../core/rollout/step-exposure.ts';
import type { StoreTx } from '../ports/store.ts';
import { appendAudit } from './append-audit.ts';

/**
 * A bundle that this device had committed and now has taken back: a row of the audit, the count that stops other offers
 * of the digest, an event for people. Told once for each retry, by what its exposure remembers. Returns how many.
 */
export async function tellRegressions(
  tx: StoreTx,
  { fleet, device }: Device,
  heard: {
    readonly before: readonly Exposure[];
    readonly after: readonly Exposure[];
    readonly nowMs: number;
  },
): Promise<number> {
  const { before, after, nowMs: atMs } = heard;
  const regressed = newestPerDigest(after.filter((exposure) => isNew(exposure, before)));
  for (const { app, digest, rollout, retry, code } of regressed) {
    const reason = code ?? 'regressed';
    const content = { app, digest, rollout, retry, code: reason };
    const row = { fleet, atMs, actor: 'skein', action: 'device-regressed', subject: device };
    await appendAudit(tx, { ...row, details: content });
    await tx.rollouts.addRegression(fleet, { digest, rollout, device, code: reason, atMs });
    await tx.events.append(fleet, { atMs, kind: 'device-regressed', subject: device, content });
  }
  return regressed.length;
}

function isNew({ rollout, regressedRetry }: Exposure, before: readonly Exposure[]): boolean {
  if (regressedRetry === null) return false;
  return before.find((known) => known.rollout === rollout)?.regressedRetry !== regressedRetry;
}

/** Several rollouts may have given a device the same bundle; the one that gave it last answers for it. */
function newestPerDigest(exposures: readonly Exposure[]): readonly Exposure[] {
  return exposures.filter(({ app, digest, generation, rollout }) =>
    exposures.every((other) => {
      if (other.rollout === rollout || other.app !== app || other.digest !== digest) return true;
      return other.generation < generation;
    }),
  );
}
