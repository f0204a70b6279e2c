import { expect, test } from 'vitest';
import { SimClock, WorldTime } from '../../../sim/world/sim-clock.ts';
import { SimRandom } from '../../../sim/world/sim-random.ts';
import { SimSessionTokens } from '../../../sim/world/sim-session-tokens.ts';
import { addressOf } from '../../../test/support/message-world.ts';
import { type CheckAdmission, createTokenGate } from './token-gate.ts';

const press = addressOf('press-7');
const clock = new SimClock(new WorldTime(), 'server');
const tokens = new SimSessionTokens({ clock, random: new SimRandom('gate') });
const issue = (audience: 'skein-broker' | 'skein-device-api') =>
  tokens.issue(press, { audience, ttlMs: 60_000 });
const welcome: CheckAdmission = async () => 'ok';

test('given a good token, the address is the token’s and the session ends with it', async () => {
  const { token, jti, expiresAtMs } = await issue('skein-broker');
  const asked: unknown[] = [];
  const gate = createTokenGate(tokens, async (address, name) => {
    asked.push([address, name]);
    return 'ok';
  });
  expect(await gate.checkLogin({ clientId: 'press-7', password: token })).toEqual({
    ok: true,
    value: { address: press, expiresAtMs },
  });
  expect(asked).toEqual([[press, jti]]);
});

test('given a token of another device or another door, nobody gets in', async () => {
  const gate = createTokenGate(tokens, welcome);
  const broker = await issue('skein-broker');
  const api = await issue('skein-device-api');
  const invalid = { ok: false, error: { code: 'token-invalid' } };
  for (const [clientId, { token }] of [
    ['lathe-3', broker],
    ['press-7', api],
  ] as const) {
    expect(await gate.checkLogin({ clientId, password: token })).toMatchObject(invalid);
  }
});

test('given a device that is not welcome any more, a good token does not help', async () => {
  const gate = createTokenGate(tokens, async () => 'login-refused');
  const { token } = await issue('skein-broker');
  expect(await gate.checkLogin({ clientId: 'press-7', password: token })).toEqual({
    ok: false,
    error: { code: 'login-refused' },
  });
});
