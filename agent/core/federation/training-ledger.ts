import { limits } from '../../../shared/contracts/limits.ts';
import type { Digest, RoundId } from '../../../shared/core/ids.ts';

/** What this device has given to rounds: its own book, which no server keeps for it. */
export interface LedgerEntry {
  readonly round: RoundId;
  readonly bundle: Digest;
  /** Trusted time of the first try. */
  readonly atMs: number;
  readonly tries: number;
  /** The signed report, base64, once the update was uploaded. */
  readonly report?: string;
}

/** By time of the first try, oldest first. */
export type TrainingLedger = readonly LedgerEntry[];

/** Puts an entry in the place of the round's earlier one; the oldest leave above the bound. */
export function recordRound(ledger: TrainingLedger, entry: LedgerEntry): TrainingLedger {
  const others = ledger.filter(({ round }) => round !== entry.round);
  return [...others, entry].slice(-limits.ledgerRoundsMax);
}

/** Rounds begun after the instant. An entry from the future counts: a clock set back must not refill the budget. */
export const roundsSince = (ledger: TrainingLedger, sinceMs: number): number =>
  ledger.filter(({ atMs }) => atMs > sinceMs).length;

/** A stored record, or undefined when its form is unknown. */
export function parseLedgerEntry(value: unknown): LedgerEntry | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { round, bundle, atMs, tries, report } = value as Readonly<Record<string, unknown>>;
  if (typeof round !== 'string' || typeof bundle !== 'string') return undefined;
  if (typeof atMs !== 'number' || typeof tries !== 'number') return undefined;
  if (report !== undefined && typeof report !== 'string') return undefined;
  const entry = { round: round as RoundId, bundle: bundle as Digest, atMs, tries };
  return report === undefined ? entry : { ...entry, report };
}
