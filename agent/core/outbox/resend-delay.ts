import { limits } from '../../../shared/contracts/limits.ts';

export interface ResendTurn {
  /** Flights sent again since the last progress. */
  readonly tries: number;
  /** Window over which the server spreads its fleet, milliseconds. */
  readonly widthMs: number;
  /** Uniform in [0, 1). */
  readonly unit: number;
}

/**
 * Milliseconds from the last progress until the flight is sent again: half of an exponential backoff stands, the rest
 * is drawn (Brooker 2015, "equal jitter"), over the server's window when that is wider, because a server that refused
 * one device has refused many.
 */
export function resendDelayMs({ tries, widthMs, unit }: ResendTurn): number {
  const backoffMs = Math.min(limits.resendMsMax, limits.resendMs * (1 << Math.min(tries, 16)));
  return backoffMs / 2 + unit * Math.max(backoffMs / 2, widthMs);
}
