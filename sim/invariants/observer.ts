import type { RolloutState } from '../../fleet-server/core/rollout/rollout-state.ts';
import type { DeviceId, Digest } from '../../shared/core/ids.ts';

/** One device as an observer sees it; nothing about it changes by looking. */
export interface SeenDevice {
  readonly device: DeviceId;
  /** Milliseconds since its newest boot was over; `null` while it has no power. */
  readonly upForMs: number | null;
  /** What answers. */
  readonly running: Digest | null;
  /** Kept in full. */
  readonly held: readonly Digest[];
  readonly committed: Digest | null;
  /** Of the attempt that is under way. */
  readonly activations: number;
  /** As the server has them. */
  readonly issuedGeneration: number;
  readonly seenGeneration: number;
}

export interface SeenRollout {
  readonly state: RolloutState;
  /** Devices that were ever offered it. */
  readonly offered: number;
  /** Of these, who could not be reached so far. */
  readonly unreached: number;
}

/** The whole world at one instant. */
export interface WorldLook {
  readonly nowMs: number;
  readonly signed: ReadonlySet<Digest>;
  readonly devices: readonly SeenDevice[];
  readonly rollouts: readonly SeenRollout[];
  /** The code with which the chain fails, `null` for a sound one. */
  readonly auditFault: string | null;
}

/** Watches one promise over a whole run; answers what breaks it, in words. */
export interface Observer {
  readonly name: string;
  look(world: WorldLook): readonly string[];
}
