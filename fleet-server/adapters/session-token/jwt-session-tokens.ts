import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceAddress } from '../../../shared/contracts/topics.ts';
import { hexOf } from '../../../shared/core/bytes.ts';
import { isDeviceId, isFleetId } from '../../../shared/core/ids.ts';
import { invariant } from '../../../shared/core/invariant.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { Random } from '../../../shared/ports/random.ts';
import type {
  IssuedToken,
  SessionTokens,
  TokenAudience,
  TokenClaims,
  TokenFailure,
  TokenIssuer,
  TokenOptions,
  TokenVerifier,
} from '../../ports/session-tokens.ts';

/** The `session` key's private half: 32 bytes of Ed25519 seed, used for nothing else. */
export interface JwtTokenIssuerOptions {
  readonly seed: Uint8Array;
  readonly clock: Clock;
  readonly random: Random;
}

const algorithm = 'EdDSA';
const issuer = 'skein';
const base64Url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

/** Issues the short-lived JWTs (RFC 7519) of a login. The clock is the server's; the device's plays no part. */
export class JwtTokenIssuer implements TokenIssuer {
  readonly #key: KeyObject;
  readonly #options: JwtTokenIssuerOptions;

  constructor(options: JwtTokenIssuerOptions) {
    this.#options = options;
    this.#key = privateKeyOf(options.seed);
  }

  /** `ttlMs` is cut to `limits.sessionTokenTtlMsMax`. */
  async issue(address: DeviceAddress, { audience, ttlMs }: TokenOptions): Promise<IssuedToken> {
    invariant(ttlMs >= 1000, 'a token lives for a second at least');
    const { clock, random } = this.#options;
    const issuedAt = Math.floor(clock.nowMs() / 1000);
    const expiresAt = issuedAt + Math.floor(Math.min(ttlMs, limits.sessionTokenTtlMsMax) / 1000);
    const jti = hexOf(random.bytes(16));
    const token = await new SignJWT({ fleet: address.fleet })
      .setProtectedHeader({ alg: algorithm, typ: 'JWT' })
      .setIssuer(issuer)
      .setSubject(address.device)
      .setAudience(audience)
      .setJti(jti)
      .setIssuedAt(issuedAt)
      .setExpirationTime(expiresAt)
      .sign(this.#key);
    return { token, jti, expiresAtMs: expiresAt * 1000 };
  }

  /** Raw Ed25519 public key: what an external broker, or another replica, verifies with. */
  get publicKey(): Uint8Array {
    const { x } = createPublicKey(this.#key).export({ format: 'jwk' });
    return Buffer.from(x ?? '', 'base64url');
  }
}

/** Verifies with the public key alone: algorithm pinned, audience named by the caller, life bounded. */
export class JwtTokenVerifier implements TokenVerifier {
  readonly #key: KeyObject;
  readonly #clock: Clock;

  constructor(options: { readonly publicKey: Uint8Array; readonly clock: Clock }) {
    const key = { kty: 'OKP', crv: 'Ed25519', x: base64Url(options.publicKey) };
    this.#key = createPublicKey({ key, format: 'jwk' });
    this.#clock = options.clock;
  }

  async verify(token: string, audience: TokenAudience): Promise<Result<TokenClaims, TokenFailure>> {
    try {
      const { payload } = await jwtVerify(token, this.#key, {
        algorithms: [algorithm],
        issuer,
        audience,
        typ: 'JWT',
        currentDate: new Date(this.#clock.nowMs()),
        requiredClaims: ['sub', 'jti', 'exp', 'iat', 'fleet'],
      });
      const { sub = '', jti = '', exp = 0, iat = 0, fleet } = payload;
      const lifeMs = (exp - iat) * 1000;
      if (lifeMs > limits.sessionTokenTtlMsMax) return invalid('the token lives too long');
      if (typeof fleet !== 'string' || !isFleetId(fleet) || !isDeviceId(sub)) {
        return invalid('the token names no device');
      }
      return ok({ address: { fleet, device: sub }, jti, expiresAtMs: exp * 1000 });
    } catch (cause) {
      if (cause instanceof errors.JWTExpired) {
        return err({ code: 'token-expired', message: cause.message });
      }
      if (cause instanceof errors.JOSEError) return invalid(cause.message);
      throw cause;
    }
  }
}

/** Issuer and verifier of the one server that is both. */
export function createJwtSessionTokens(options: JwtTokenIssuerOptions): SessionTokens {
  const issuing = new JwtTokenIssuer(options);
  const { clock } = options;
  const verifying = new JwtTokenVerifier({ publicKey: issuing.publicKey, clock });
  return {
    issue: (address, tokenOptions) => issuing.issue(address, tokenOptions),
    verify: (token, audience) => verifying.verify(token, audience),
  };
}

function privateKeyOf(seed: Uint8Array): KeyObject {
  invariant(seed.length === 32, 'an Ed25519 seed has 32 bytes');
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
}

const invalid = (message: string): Result<never, TokenFailure> =>
  err({ code: 'token-invalid', message });
