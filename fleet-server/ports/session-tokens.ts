import type { DeviceAddress } from '../../shared/contracts/topics.ts';
import type { Result } from '../../shared/core/result.ts';

/** What a token opens; one opened with the other's is refused. */
export type TokenAudience = 'skein-broker' | 'skein-device-api';

export interface IssuedToken {
  readonly token: string;
  /** Names this token; a session is revoked by it. */
  readonly jti: string;
  /** Wall clock of this server, whole seconds. */
  readonly expiresAtMs: number;
}

export interface TokenClaims {
  readonly address: DeviceAddress;
  readonly jti: string;
  readonly expiresAtMs: number;
}

export interface TokenFailure {
  readonly code: 'token-invalid' | 'token-expired';
  readonly message: string;
}

/** Issues the short-lived tokens of a login, by the server's clock: the device's plays no part. */
export interface TokenIssuer {
  /** `ttlMs`, a second at least, is cut to `limits.sessionTokenTtlMsMax`. */
  issue(address: DeviceAddress, options: TokenOptions): Promise<IssuedToken>;
}

export interface TokenOptions {
  readonly audience: TokenAudience;
  readonly ttlMs: number;
}

/** Needs the issuer's public half only; the caller names the audience, there is no default. */
export interface TokenVerifier {
  verify(token: string, audience: TokenAudience): Promise<Result<TokenClaims, TokenFailure>>;
}

/** Both halves, as the one server that issues and verifies has them. */
export interface SessionTokens extends TokenIssuer, TokenVerifier {}
