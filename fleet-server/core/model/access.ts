import type { DeviceId, Epoch, FleetId } from '../../../shared/core/ids.ts';
import type { Tags } from './device.ts';

/** Permission to enrol. The claim itself is shown once and never stored. */
export interface Claim {
  readonly fleet: FleetId;
  /** sha256 of the claim, hexadecimal. */
  readonly claimHash: string;
  /** Glob over device ids that this claim may enrol. */
  readonly idPattern: string;
  readonly usesLeft: number;
  readonly expiresAtMs: number;
  /** Devices land in `accepted` instead of `pending`. */
  readonly preAuthorized: boolean;
  readonly tags: Tags;
  readonly createdAtMs: number;
  readonly createdBy: string;
}

/** A nonce the server drew for one device; answered once. */
export interface StoredChallenge {
  readonly fleet: FleetId;
  readonly device: DeviceId;
  readonly nonce: string;
  readonly expiresAtMs: number;
}

/** A granted session, kept so that a decommission can cut it. The session key stays in memory. */
export interface Session {
  readonly fleet: FleetId;
  readonly device: DeviceId;
  readonly jti: string;
  readonly epoch: Epoch;
  readonly expiresAtMs: number;
}

export const roles = ['viewer', 'operator', 'approver', 'admin'] as const;
export type Role = (typeof roles)[number];

/** An API token of a person or a machine. */
export interface AccessToken {
  /** sha256 of the token, hexadecimal. */
  readonly tokenHash: string;
  readonly name: string;
  readonly role: Role;
  /** Fleets it may name; an empty list means all. */
  readonly fleets: readonly FleetId[];
  readonly createdAtMs: number;
  /** Null: until revoked. */
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
}

/** The remembered answer to one write, for a client that asks again. Answers with secrets are never stored. */
export interface IdempotentAnswer {
  readonly principal: string;
  readonly method: string;
  readonly route: string;
  readonly key: string;
  /** sha256 of the request: the same key with another body is a mistake. */
  readonly requestHash: string;
  readonly status: number;
  readonly body: string;
  readonly createdAtMs: number;
}
