import { describe, expect, test } from 'vitest';
import type { SessionTokens, TokenAudience } from '../../fleet-server/ports/session-tokens.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import { addressOf } from '../support/message-world.ts';

const press = addressOf('press-7');

/** A clock that a test sets. */
export class SetClock implements Clock {
  ms = 1_767_225_600_250;
  nowMs(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
  sleepUntil(): Promise<void> {
    return Promise.resolve();
  }
}

/** What every issuer and verifier of session tokens promises. */
export function sessionTokensSuite(name: string, open: (clock: Clock) => SessionTokens): void {
  describe(`SessionTokens: ${name}`, () => {
    const audience: TokenAudience = 'skein-broker';

    test('given a token, its claims come back while it lives, and not a second longer', async () => {
      const clock = new SetClock();
      const tokens = open(clock);
      const { token, jti, expiresAtMs } = await tokens.issue(press, { audience, ttlMs: 60_000 });
      expect(expiresAtMs - clock.ms).toBeGreaterThan(58_999);
      expect(expiresAtMs - clock.ms).toBeLessThanOrEqual(60_000);
      expect(await tokens.verify(token, audience)).toEqual({
        ok: true,
        value: { address: press, jti, expiresAtMs },
      });
      clock.ms = expiresAtMs;
      expect(await tokens.verify(token, audience)).toMatchObject({
        ok: false,
        error: { code: 'token-expired' },
      });
    });

    test('given a longer life than the limit, it is cut to the limit', async () => {
      const clock = new SetClock();
      const issued = await open(clock).issue(press, { audience, ttlMs: 86_400_000 });
      expect(issued.expiresAtMs - clock.ms).toBeLessThanOrEqual(limits.sessionTokenTtlMsMax);
    });

    test('given a token of the other audience, of another server or of nobody, it is invalid', async () => {
      const tokens = open(new SetClock());
      const { token } = await tokens.issue(press, { audience: 'skein-device-api', ttlMs: 60_000 });
      for (const odd of [token, `${token.slice(0, -2)}AA`, '', 'x', 'a.b.c', 'x'.repeat(5000)]) {
        expect(await tokens.verify(odd, audience)).toMatchObject({
          ok: false,
          error: { code: 'token-invalid' },
        });
      }
    });

    test('given two tokens for one device, their names differ', async () => {
      const tokens = open(new SetClock());
      const one = await tokens.issue(press, { audience, ttlMs: 60_000 });
      const two = await tokens.issue(press, { audience, ttlMs: 60_000 });
      expect(one.jti).not.toBe(two.jti);
      expect(one.token).not.toBe(two.token);
    });
  });
}
