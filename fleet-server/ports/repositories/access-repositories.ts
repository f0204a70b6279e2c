import type { DeviceId, FleetId } from '../../../shared/core/ids.ts';
import type {
  AccessToken,
  Claim,
  IdempotentAnswer,
  Session,
  StoredChallenge,
} from '../../core/model/access.ts';

export interface ClaimReader {
  find(fleet: FleetId, claimHash: string): Promise<Claim | null>;
  /** By creation, then hash. */
  list(fleet: FleetId): Promise<readonly Claim[]>;
}

export interface ClaimRepository extends ClaimReader {
  insert(claim: Claim): Promise<void>;
  /** Takes one use. False when none is left, it has expired, or it does not exist. */
  consume(fleet: FleetId, claimHash: string, nowMs: number): Promise<boolean>;
  remove(fleet: FleetId, claimHash: string): Promise<boolean>;
}

export interface ChallengeRepository {
  insert(challenge: StoredChallenge): Promise<void>;
  /** Takes the nonce, whatever follows. False when it is unknown, another device's, used or expired. */
  consume(challenge: Omit<StoredChallenge, 'expiresAtMs'>, nowMs: number): Promise<boolean>;
  /** Challenges that still wait for an answer: a flood of them is bounded by the caller. */
  count(fleet: FleetId, device: DeviceId): Promise<number>;
  removeExpired(fleet: FleetId, nowMs: number): Promise<number>;
}

export interface SessionRepository {
  insert(session: Session): Promise<void>;
  /** By jti; expired ones included until they are removed. */
  listOf(fleet: FleetId, device: DeviceId): Promise<readonly Session[]>;
  /** Cuts all sessions of a device: a token whose jti is not here opens nothing. */
  removeOf(fleet: FleetId, device: DeviceId): Promise<number>;
  removeExpired(fleet: FleetId, nowMs: number): Promise<number>;
}

/** Tokens are looked up before a fleet is known, so they belong to the server, and name their fleets. */
export interface TokenReader {
  find(tokenHash: string): Promise<AccessToken | null>;
  /** By name. */
  list(): Promise<readonly AccessToken[]>;
}

export interface TokenRepository extends TokenReader {
  /** Throws `store-conflict` when the name or the hash is taken. */
  insert(token: AccessToken): Promise<void>;
  revoke(name: string, atMs: number): Promise<boolean>;
}

export type IdempotencyScope = Pick<IdempotentAnswer, 'principal' | 'method' | 'route' | 'key'>;

export interface IdempotencyRepository {
  find(scope: IdempotencyScope): Promise<IdempotentAnswer | null>;
  /** Throws `store-conflict` when the key was used in this scope. */
  insert(answer: IdempotentAnswer): Promise<void>;
  removeOlder(beforeMs: number): Promise<number>;
}
