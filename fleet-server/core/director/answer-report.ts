import type { ReportedState, UpdatePhase } from '../../../shared/contracts/reported.ts';
import type { AppName, Digest } from '../../../shared/core/ids.ts';
import type { Device } from '../model/device.ts';

/** What this server last decided for the device: the number of its newest order, and what that order names. */
export interface KnownOrders {
  readonly directorVersion: number;
  readonly issued: Pick<Device, 'issuedGeneration' | 'needsReport'>;
  readonly wanted: ReadonlyMap<AppName, Digest>;
}

export interface ReportAnswer {
  /** Never below what was issued. Above what the device has seen: it is owed an order. */
  readonly issuedGeneration: number;
  /** The device obeys an order that this server did not sign, though it holds the right key. */
  readonly isForeign: boolean;
}

/** While these last, `target` is what the newest order named; an ended attempt may be about an older one. */
const current: ReadonlySet<UpdatePhase> = new Set([
  'fetching',
  'verifying',
  'staging',
  'self-testing',
  'probation',
  'committed',
]);

/**
 * A stolen director key, or a server that was restored from a backup, leaves devices with orders that this server knows
 * nothing of. It goes on one above them, so that its own word is the newest again. A report can only raise the number.
 */
export function answerReport(
  { directorVersion, issued, wanted }: KnownOrders,
  report: Pick<ReportedState, 'seen' | 'apps'>,
): ReportAnswer {
  const { issuedGeneration } = issued;
  const { seen } = report;
  // Under other director keys the numbers do not compare; newer keys outrank whatever was seen under older ones.
  if (seen.directorVersion !== directorVersion) return { issuedGeneration, isForeign: false };
  const isAbove = seen.generation > issuedGeneration;
  const isOther =
    seen.generation === issuedGeneration &&
    report.apps.some(
      ({ app, phase, target }) =>
        current.has(phase) &&
        target?.generation === seen.generation &&
        target.digest !== wanted.get(app),
    );
  if (!isAbove && !isOther) return { issuedGeneration, isForeign: false };
  // The last number has none above it: only new director keys can speak to such a device.
  const next = Math.min(seen.generation + 1, Number.MAX_SAFE_INTEGER);
  return { issuedGeneration: next, isForeign: !issued.needsReport };
}
