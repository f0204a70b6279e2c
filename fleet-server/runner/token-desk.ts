import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import type { FleetId } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Random } from '../../shared/ports/random.ts';
import { sha256Hex } from '../../shared/trust/hash.ts';
import {
  coversFleets,
  type DevicePrincipal,
  type PersonPrincipal,
  type Principal,
} from '../core/access/principal.ts';
import type { AccessToken, Role } from '../core/model/access.ts';
import type { TokenVerifier } from '../ports/session-tokens.ts';
import type { Store } from '../ports/store.ts';
import { appendAudit } from './append-audit.ts';

export interface TokenDeskOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly sessionTokens: TokenVerifier;
}

export interface TokenRequest {
  readonly name: string;
  readonly role: Role;
  /** Empty: all fleets. */
  readonly fleets: readonly FleetId[];
  /** Null: until revoked. */
  readonly lifeMs: number | null;
}

export interface IssuedAccessToken {
  /** Shown once; the server keeps its hash. */
  readonly token: string;
  readonly record: AccessToken;
}

export interface AccessRefusal {
  readonly code: string;
  readonly message: string;
}

/** Tells a person's token from a device's, and lets secret scanners find one in a text. */
const tokenForm = /^skein_(viewer|operator|approver|admin)_[0-9a-f]{64}$/;

/** Who may ask: issues, lists and revokes API tokens, and names the principal behind a token. */
export class TokenDesk {
  readonly #options: TokenDeskOptions;

  constructor(options: TokenDeskOptions) {
    this.#options = options;
  }

  /** The principal behind a bearer token, by the store as it is now: a revoked token ends with its next request. */
  async check(token: string): Promise<Result<Principal, AccessRefusal>> {
    return tokenForm.test(token) ? this.#checkPerson(token) : this.#checkDevice(token);
  }

  async create(
    by: PersonPrincipal,
    request: TokenRequest,
  ): Promise<Result<IssuedAccessToken, AccessRefusal>> {
    const { fleets } = request;
    if (!coversFleets(by, fleets)) {
      return refuse('not-found', 'name fleets that your own token may see');
    }
    return this.#insert(request, by.name);
  }

  /** The token a fresh server starts with; null when there is one already. It sees all fleets. */
  async createFirst(): Promise<IssuedAccessToken | null> {
    const request = { name: 'first-admin', role: 'admin', fleets: [], lifeMs: null } as const;
    const known = await this.#options.store.read((view) => view.tokens.list());
    if (known.length > 0) return null;
    const issued = await this.#insert(request, 'skein');
    return issued.ok ? issued.value : null;
  }

  /** Tokens that see nothing the asking one does not. */
  async list(by: PersonPrincipal): Promise<readonly AccessToken[]> {
    const all = await this.#options.store.read((view) => view.tokens.list());
    return all.filter((token) => coversFleets(by, token.fleets));
  }

  async revoke(by: PersonPrincipal, name: string): Promise<Result<AccessToken, AccessRefusal>> {
    const atMs = this.#options.clock.nowMs();
    return this.#options.store.transaction(async (tx) => {
      const token = (await tx.tokens.list()).find((candidate) => candidate.name === name);
      if (token === undefined || !coversFleets(by, token.fleets)) {
        return refuse('not-found', `there is no token ${name}`);
      }
      if (token.revokedAtMs !== null) return ok(token);
      const subject = name;
      const row = { fleet: null, atMs, actor: by.name, action: 'token-revoked', subject };
      await appendAudit(tx, { ...row, details: {} });
      await tx.tokens.revoke(name, atMs);
      return ok({ ...token, revokedAtMs: atMs });
    });
  }

  async #insert(
    request: TokenRequest,
    actor: string,
  ): Promise<Result<IssuedAccessToken, AccessRefusal>> {
    const { store, clock, random } = this.#options;
    const { name, role, fleets, lifeMs } = request;
    const atMs = clock.nowMs();
    const token = `skein_${role}_${hexOf(random.bytes(32))}`;
    const record: AccessToken = {
      tokenHash: sha256Hex(utf8(token)),
      name,
      role,
      fleets: [...new Set(fleets)].sort(),
      createdAtMs: atMs,
      expiresAtMs: lifeMs === null ? null : atMs + lifeMs,
      revokedAtMs: null,
    };
    return store.transaction(async (tx) => {
      const isTaken = (await tx.tokens.list()).some((known) => known.name === name);
      if (isTaken) return refuse('name-taken', `there is a token ${name}`);
      const details = { role, fleets: [...record.fleets], expiresAtMs: record.expiresAtMs };
      const row = { fleet: null, atMs, actor, action: 'token-created', subject: name, details };
      await appendAudit(tx, row);
      await tx.tokens.insert(record);
      return ok({ token, record });
    });
  }

  async #checkPerson(token: string): Promise<Result<PersonPrincipal, AccessRefusal>> {
    const { store, clock } = this.#options;
    const known = await store.read((view) => view.tokens.find(sha256Hex(utf8(token))));
    if (known === null) return refuse('token-invalid', 'the token is not known here');
    if (known.revokedAtMs !== null) return refuse('token-revoked', `${known.name} was revoked`);
    if (known.expiresAtMs !== null && known.expiresAtMs <= clock.nowMs()) {
      return refuse('token-expired', `${known.name} has run out`);
    }
    const { name, role, fleets } = known;
    return ok({ kind: 'person', name, role, fleets });
  }

  /** The device must still be welcome: its token outlives a decommission, its rights do not. */
  async #checkDevice(token: string): Promise<Result<DevicePrincipal, AccessRefusal>> {
    const { store, sessionTokens } = this.#options;
    const claims = await sessionTokens.verify(token, 'skein-device-api');
    if (!claims.ok) return claims;
    const { address } = claims.value;
    const device = await store.read((view) => view.devices.get(address.fleet, address.device));
    if (device === null) return refuse('device-unknown', `${address.device} is not enrolled`);
    return device.state === 'accepted'
      ? ok({ kind: 'device', address })
      : refuse(`device-${device.state}`, `${address.device} is ${device.state}`);
  }
}

const refuse = (code: string, message: string): Result<never, AccessRefusal> =>
  err({ code, message });
