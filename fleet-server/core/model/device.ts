import type { EnrolmentState } from '../../../shared/contracts/enrolment.ts';
import type { Facts } from '../../../shared/contracts/reported.ts';
import type { BootId, DeviceId, Epoch, FleetId } from '../../../shared/core/ids.ts';

/** Labels people give; a bare label has the empty text as its value. */
export type Tags = Readonly<Record<string, string>>;

/** One device as the server knows it. Null means: not known yet. */
export interface Device {
  readonly fleet: FleetId;
  readonly device: DeviceId;
  /** Raw Ed25519 public key, hexadecimal, and its sha256. */
  readonly publicKey: string;
  readonly keyDigest: string;
  readonly state: EnrolmentState;
  /** Random name of this enrolment; null until the device is accepted. */
  readonly epoch: Epoch | null;
  /** 0..4095: HMAC of the id under a server key; waves are sets of cells. */
  readonly cell: number;
  readonly tags: Tags;
  /** Hash of the claim it came with: devices of one claim are one cluster to the statistics. */
  readonly claimHash: string | null;
  readonly enrolledAtMs: number;

  readonly facts: Facts;
  readonly zone: string | null;
  readonly agentVersion: string | null;
  readonly protocolMin: number | null;
  readonly protocolMax: number | null;

  readonly online: boolean;
  readonly lastSeenMs: number | null;
  /** Newest presence that counted; a will older than the last birth is ignored. */
  readonly presenceBoot: BootId | null;
  readonly presenceSeq: number;

  /** Number of the newest report within the epoch, and the newest envelope it has seen. */
  readonly reportedNumber: number | null;
  readonly seenDirectorVersion: number;
  readonly seenGeneration: number;
  /** The newest generation signed for it. */
  readonly issuedDirectorVersion: number;
  readonly issuedGeneration: number;
  /** Set on every device after a restore: nothing is signed before it has said what it saw last. */
  readonly needsReport: boolean;
}

/** What may change after enrolment. Fleet, id and cell never do. */
export type DevicePatch = Partial<Omit<Device, 'fleet' | 'device' | 'cell'>>;

/** The newest signed report, byte for byte as it came. */
export interface ReportedEnvelope {
  readonly fleet: FleetId;
  readonly device: DeviceId;
  readonly epoch: Epoch;
  readonly number: number;
  readonly envelope: Uint8Array;
  readonly receivedAtMs: number;
}
