import type { DeviceId, FleetId } from '../../../shared/core/ids.ts';
import type { LabelledPath } from '../prepare.ts';
import type { DeviceNews } from './seen-device.ts';

/** What the thread of the in-process devices is started with. */
export interface HostData {
  readonly fleet: FleetId;
  readonly audience: string;
  readonly brokerUrl: string;
  readonly claim: string;
  readonly rootMetadata: Uint8Array;
  /** Holds a folder for each device. */
  readonly folder: string;
  readonly nodeModules: string;
  readonly devices: readonly {
    readonly id: DeviceId;
    readonly files: readonly LabelledPath[];
  }[];
}

export type HostOrder =
  /** Opens devices from..to (exclusive) and lets them live. */
  { readonly kind: 'open'; readonly from: number; readonly to: number } | { readonly kind: 'stop' };

export type HostNews =
  | { readonly kind: 'opened' }
  | { readonly kind: 'failed'; readonly message: string }
  | {
      readonly kind: 'news';
      readonly inferences: number;
      readonly correct: number;
      readonly selfTests: number;
      readonly intervalMs: number;
      /** Only those of which there is something to tell. */
      readonly devices: readonly DeviceNews[];
    };
