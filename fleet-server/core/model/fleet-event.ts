import type { Json } from '../../../shared/core/canonical-json.ts';
import type { FleetId } from '../../../shared/core/ids.ts';

/** One line of the live stream; ids rise over all fleets, so a stream resumes after the last one it saw. */
export interface FleetEvent {
  readonly id: number;
  readonly fleet: FleetId;
  readonly atMs: number;
  readonly kind: string;
  /** What it is about: a device, a rollout, a bundle. */
  readonly subject: string;
  readonly content: Json;
}

export type FleetEventDraft = Omit<FleetEvent, 'id' | 'fleet'>;
