import { createPrivateKey } from 'node:crypto';
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import {
  createJwtSessionTokens,
  JwtTokenIssuer,
  JwtTokenVerifier,
} from '../../fleet-server/adapters/session-token/jwt-session-tokens.ts';
import { cryptoRandom } from '../../shared/adapters/random/crypto-random.ts';
import { SimRandom } from '../../sim/world/sim-random.ts';
import { SimSessionTokens } from '../../sim/world/sim-session-tokens.ts';
import { addressOf } from '../support/message-world.ts';
import { SetClock, sessionTokensSuite } from './session-tokens.suite.ts';

const seed = new Uint8Array(32).fill(5);
const random = cryptoRandom;

sessionTokensSuite('JWT', (clock) => createJwtSessionTokens({ seed, clock, random }));
sessionTokensSuite(
  'simulated',
  (clock) => new SimSessionTokens({ clock, random: new SimRandom('tokens') }),
);

describe('given a JWT that somebody else made', () => {
  const clock = new SetClock();
  const issuer = new JwtTokenIssuer({ seed, clock, random });
  const verifier = new JwtTokenVerifier({ publicKey: issuer.publicKey, clock });
  const nowS = Math.floor(clock.ms / 1000);
  const keyOf = (bytes: Uint8Array) =>
    createPrivateKey({
      key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), bytes]),
      format: 'der',
      type: 'pkcs8',
    });
  const good = {
    iss: 'skein',
    aud: 'skein-broker',
    sub: 'press-7',
    fleet: 'plant',
    jti: '0'.repeat(32),
    iat: nowS,
    exp: nowS + 900,
  };
  const sign = (claims: Record<string, unknown>, header: Record<string, string> = {}) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', ...header })
      .sign(keyOf(seed));
  const codeOf = async (token: string): Promise<string> => {
    const verified = await verifier.verify(token, 'skein-broker');
    return verified.ok ? 'ok' : verified.error.code;
  };
  const without = (name: keyof typeof good) =>
    Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));

  test('when every claim is right, it passes', async () => {
    expect(await codeOf(await sign(good))).toBe('ok');
  });

  const bent: [string, Record<string, unknown>][] = [
    ['another issuer', { ...good, iss: 'other' }],
    ['another audience', { ...good, aud: 'skein-device-api' }],
    ['a device name that is none', { ...good, sub: '+' }],
    ['a fleet name that is none', { ...good, fleet: 'a/b' }],
    ['a fleet that is no text', { ...good, fleet: 7 }],
    ['a life beyond fifteen minutes', { ...good, exp: nowS + 901 }],
    ['no id', without('jti')],
    ['no subject', without('sub')],
    ['no fleet', without('fleet')],
    ['no start', without('iat')],
    ['no end', without('exp')],
    ['a start in the future', { ...good, nbf: nowS + 60 }],
  ];
  test.each(bent)('when it has %s, it is invalid', async (_name, claims) => {
    expect(await codeOf(await sign(claims))).toBe('token-invalid');
  });

  test('when it is signed by another key, with the public key as a secret, or not at all, it is invalid', async () => {
    const stranger = await new SignJWT(good)
      .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT' })
      .sign(keyOf(new Uint8Array(32).fill(6)));
    const confused = await new SignJWT(good)
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .sign(issuer.publicKey);
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const unsigned = `${part({ alg: 'none', typ: 'JWT' })}.${part(good)}.`;
    for (const token of [stranger, confused, unsigned]) {
      expect(await codeOf(token)).toBe('token-invalid');
    }
    expect(await codeOf(await sign(good, { typ: 'at+jwt' }))).toBe('token-invalid');
  });

  test('when the broker gate is another fleet’s issuer, the address is the token’s, not the asker’s', async () => {
    const { token } = await issuer.issue(addressOf('press-7', 'yard'), {
      audience: 'skein-broker',
      ttlMs: 60_000,
    });
    const verified = await verifier.verify(token, 'skein-broker');
    expect(verified.ok && verified.value.address).toEqual(addressOf('press-7', 'yard'));
  });
});
