import { afterEach, beforeEach, expect, test } from 'vitest';
import { downFilter, upTopic } from '../../../shared/contracts/topics.ts';
import { hexOf, textOf, utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../../shared/core/canonical-json.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import { signEnvelope } from '../../../shared/trust/dsse.ts';
import { seededSigner } from '../../../sim/world/seeded-keys.ts';
import { type AnswerBody, codeIn, HttpWorld, testOrigin } from '../../support/http-world.ts';
import { plant } from '../../support/store-nouns.ts';

let world: HttpWorld;
let operator: string;
beforeEach(async () => {
  world = await HttpWorld.open();
  operator = await world.token('operator');
});
afterEach(() => world.close());

const address = { fleet: plant, device: 'edge-1' as DeviceId };
const key = seededSigner('edge-1');
const send = (path: string, bytes: Uint8Array | string) =>
  world.ask(undefined, {
    method: 'POST',
    url: `/device/v1/${path}`,
    headers: { 'content-type': 'application/json' },
    payload: Buffer.from(bytes),
  });
const nonce = async () =>
  (await send('challenges', canonicalJson(address))).json<AnswerBody>().nonce;
const signed = (kind: 'enrolment' | 'loginAssertion', payload: Json) =>
  signEnvelope(kind, utf8(canonicalJson(payload)), [key]);

async function enrol(claim: string) {
  const publicKey = hexOf(key.publicKey);
  const payload = { ...address, nonce: await nonce(), audience: testOrigin, claim, publicKey };
  return send('enrolments', await signed('enrolment', payload));
}

async function login() {
  const payload = { ...address, nonce: await nonce(), audience: testOrigin };
  return send(
    'sessions',
    await signed('loginAssertion', { ...payload, deviceNonce: '1'.repeat(64) }),
  );
}

async function claimOf(preAuthorized: boolean): Promise<string> {
  const body = { preAuthorized };
  return (await world.post(operator, '/fleets/plant/claims', { body })).json<AnswerBody>().claim;
}

test('given a claim, a device is pending, is accepted by a person, and only then logs in', async () => {
  expect((await enrol(await claimOf(false))).json<AnswerBody>()).toEqual({ state: 'pending' });
  expect(codeIn(await login())).toBe('403 device-pending');
  const url = '/fleets/plant/devices/edge-1';
  const etag = String((await world.get(operator, url)).headers['etag']);
  await world.post(operator, `${url}/accept`, { headers: { 'if-match': etag } });
  const grant = await login();
  expect(grant.statusCode).toBe(200);
  expect(grant.headers['cache-control']).toBe('no-store');
  expect(grant.json<AnswerBody>().brokerUrl).toBe('mqtt://127.0.0.1:1883');
});

test('given bytes that are no envelope, an unknown claim and a used one, each has its code', async () => {
  expect(codeIn(await send('enrolments', 'hello'))).toBe('400 malformed-envelope');
  expect(codeIn(await send('challenges', '{"fleet":"plant"}'))).toBe('400 schema-mismatch');
  expect(codeIn(await enrol('x'.repeat(32)))).toBe('403 claim-unknown');
  expect(codeIn(await login())).toBe('401 device-unknown');
  expect(codeIn(await send('sessions', 'x'.repeat(20_000)))).toBe('413 too-large');
});

test('given a decommission, the session ends, its tokens open nothing and it cannot come back', async () => {
  const stop = new AbortController();
  const running = world.server.run(stop.signal);
  await enrol(await claimOf(true));
  const grant = (await login()).json<AnswerBody>();
  const connecting = world.broker.transport('edge-1').connect(
    {
      clientId: address.device,
      password: grant.brokerToken,
      will: { topic: upTopic(address, 'presence'), bytes: utf8('offline') },
      subscribe: [downFilter(address)],
      keepaliveMs: 60_000,
    },
    { received: () => undefined, closed: () => undefined },
  );
  await world.pass(500);
  await connecting;
  expect(world.broker.isConnected(address)).toBe(true);
  expect((await world.desks.access.check(grant.accessToken)).ok).toBe(true);

  const url = '/fleets/plant/devices/edge-1';
  const etag = String((await world.get(operator, url)).headers['etag']);
  const headers = { 'if-match': etag };
  const done = await world.post(operator, `${url}/decommission`, {
    headers,
    body: { why: 'sold' },
  });
  expect(done.json<AnswerBody>().state).toBe('decommissioned');
  expect(world.broker.isConnected(address)).toBe(false);
  const checked = await world.desks.access.check(grant.accessToken);
  expect(checked.ok ? 'ok' : checked.error.code).toBe('device-decommissioned');
  expect(codeIn(await login())).toBe('403 device-decommissioned');
  const rows = (await world.get(operator, '/fleets/plant/audit')).json<AnswerBody>().items;
  expect(rows.at(-1)).toMatchObject({ action: 'device-decommissioned', details: { why: 'sold' } });

  stop.abort();
  await world.pass(1_000);
  await running;
});

test('given the token of a device, the admin plane has no place for it', async () => {
  await enrol(await claimOf(true));
  const { accessToken } = (await login()).json<AnswerBody>();
  expect(codeIn(await world.get(accessToken, '/fleets/plant/devices'))).toBe(
    '403 role-insufficient',
  );
  expect(codeIn(await world.get(accessToken, '/fleets/harbour/devices'))).toBe('404 not-found');
  expect(textOf(utf8(accessToken))).not.toContain('skein_');
});
