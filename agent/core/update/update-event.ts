import type { AppName, Digest } from '../../../shared/core/ids.ts';
import type { ProbationTerms, Slot, Target } from './slot.ts';
import type { Seen, SessionHost } from './update-state.ts';

/**
 * Durable events stand in the journal before anything acts on them, and are replayed at start.
 * After a crash the next steps are derived again from the state, so every effect is idempotent.
 */
export type DurableUpdateEvent =
  | {
      readonly kind: 'desired-accepted';
      readonly seen: Seen;
      readonly expiresAtMs: number;
      readonly targets: readonly Target[];
      readonly revoked: readonly Digest[];
      /** Only in a compacted journal: what was learned with `revocations-learned`. */
      readonly replaced?: readonly Digest[];
      /** Only in a compacted journal, which forgets what came first: apps that were withdrawn when forbidden. */
      readonly forbidden?: readonly AppName[];
    }
  | {
      readonly kind: 'revocations-learned';
      /** Must not run from now on. */
      readonly revoked: readonly Digest[];
      /** Must be replaced; absent in older journals. */
      readonly replaced?: readonly Digest[];
    }
  /** Written before each activation of an uncommitted bundle: a crash in it is counted by the next start. */
  | { readonly kind: 'activation-begun'; readonly app: AppName; readonly target: Target }
  | { readonly kind: 'committed'; readonly app: AppName; readonly target: Target }
  /** Written before the activation is undone. `slot` is what was judged. */
  | {
      readonly kind: 'verdict-reached';
      readonly app: AppName;
      readonly slot: Slot;
      readonly reason: string;
    }
  /** What was refused for the age of the agent, and this one is newer. */
  | { readonly kind: 'refusal-lifted'; readonly app: AppName; readonly digest: Digest }
  /** Its bytes have rotted: it is fetched again where it is wanted, and cannot be gone back to until then. */
  | { readonly kind: 'slot-damaged'; readonly app: AppName; readonly digest: Digest }
  /** Garbage collection took the slot; never the running or the last-good one. */
  | { readonly kind: 'slot-dropped'; readonly app: AppName; readonly digest: Digest };

export type VolatileUpdateEvent =
  /** After the journal was replayed: nothing runs yet in this boot. */
  | { readonly kind: 'booted' }
  | { readonly kind: 'bundle-fetched'; readonly app: AppName; readonly digest: Digest }
  | { readonly kind: 'bundle-verified'; readonly app: AppName; readonly digest: Digest }
  | { readonly kind: 'slot-staged'; readonly app: AppName; readonly digest: Digest }
  | { readonly kind: 'self-test-passed'; readonly app: AppName; readonly digest: Digest }
  /** A failure that may pass: network, space, time. Nothing is judged. */
  | {
      readonly kind: 'step-postponed';
      readonly app: AppName;
      readonly digest: Digest;
      readonly code: string;
      readonly retryAfterMs: number;
    }
  | {
      readonly kind: 'activated';
      readonly app: AppName;
      readonly slot: Slot;
      readonly host: SessionHost;
      readonly probation: ProbationTerms;
    }
  | {
      readonly kind: 'inferences-counted';
      readonly app: AppName;
      readonly digest: Digest;
      readonly count: number;
    }
  /** No model may answer; the default answers of these bundles were looked for, in this order. */
  | {
      readonly kind: 'stood-in';
      readonly app: AppName;
      readonly candidates: readonly Digest[];
      readonly slot: Slot | undefined;
    }
  /** The session of a running model ended without a verdict: its process died. */
  | { readonly kind: 'session-lost'; readonly app: AppName; readonly digest: Digest };

export type UpdateEvent = DurableUpdateEvent | VolatileUpdateEvent;
