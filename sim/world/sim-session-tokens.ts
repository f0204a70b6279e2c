import type {
  IssuedToken,
  SessionTokens,
  TokenAudience,
  TokenClaims,
  TokenFailure,
  TokenOptions,
} from '../../fleet-server/ports/session-tokens.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { DeviceAddress } from '../../shared/contracts/topics.ts';
import { hexOf } from '../../shared/core/bytes.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Random } from '../../shared/ports/random.ts';

/** Tokens of a world: random names that only this object knows. Signing them would use threads of the real machine. */
export class SimSessionTokens implements SessionTokens {
  readonly #issued = new Map<string, TokenClaims & { readonly audience: TokenAudience }>();
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(options: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = options.clock;
    this.#random = options.random;
  }

  async issue(address: DeviceAddress, options: TokenOptions): Promise<IssuedToken> {
    invariant(options.ttlMs >= 1000, 'a token lives for a second at least');
    this.#forgetExpired();
    const issuedAt = Math.floor(this.#clock.nowMs() / 1000);
    const ttlMs = Math.min(options.ttlMs, limits.sessionTokenTtlMsMax);
    const expiresAtMs = (issuedAt + Math.floor(ttlMs / 1000)) * 1000;
    const token = hexOf(this.#random.bytes(32));
    const { audience } = options;
    const jti = hexOf(this.#random.bytes(16));
    this.#issued.set(token, { address, jti, expiresAtMs, audience });
    return { token, jti, expiresAtMs };
  }

  async verify(token: string, audience: TokenAudience): Promise<Result<TokenClaims, TokenFailure>> {
    const claims = this.#issued.get(token);
    if (claims?.audience !== audience) {
      return err({ code: 'token-invalid', message: 'no token of this server' });
    }
    if (claims.expiresAtMs <= this.#clock.nowMs()) {
      return err({ code: 'token-expired', message: 'the token has run out' });
    }
    const { address, jti, expiresAtMs } = claims;
    return ok({ address, jti, expiresAtMs });
  }

  /** Tokens run out in the order they were issued, or nearly: looking at the oldest few bounds the map. */
  #forgetExpired(): void {
    const nowMs = this.#clock.nowMs();
    for (const [token, { expiresAtMs }] of this.#issued) {
      if (expiresAtMs + limits.sessionTokenTtlMsMax > nowMs) return;
      this.#issued.delete(token);
    }
  }
}
