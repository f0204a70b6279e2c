import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAuthorizeRegistry } from '../../../fleet-server/http/authorize-registry.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { codeIn, HttpWorld } from '../../support/http-world.ts';
import { device, harbour, plant } from '../../support/store-nouns.ts';

let world: HttpWorld;
let viewer: string;
beforeAll(async () => {
  world = await HttpWorld.open();
  viewer = await world.token('viewer');
});
afterAll(() => world.close());

test('given a key whose first request still runs, the second is told so, and may ask again after it', async () => {
  const { answers } = world.desks;
  const scope = { principal: 'ada', method: 'POST', route: '/x', key: 'k' };
  expect(await answers.begin(scope, 'h')).toEqual({ ok: true, value: null });
  const second = await answers.begin(scope, 'h');
  expect(second.ok ? 'ok' : second.error.code).toBe('idempotency-running');
  answers.forget(scope);
  expect((await answers.begin(scope, 'h')).ok).toBe(true);
  await answers.keep(scope, { requestHash: 'h', status: 201, body: '{}' });
  const kept = await answers.begin(scope, 'h');
  expect(kept.ok && kept.value).toMatchObject({ status: 201, body: '{}' });
});

test('given a day, a kept answer is forgotten and the key is free again', async () => {
  const { answers } = world.desks;
  const scope = { principal: 'ada', method: 'POST', route: '/x', key: 'old' };
  await answers.begin(scope, 'h');
  await answers.keep(scope, { requestHash: 'h', status: 201, body: '{}' });
  await world.pass(limits.idempotencyLifeMs + 1);
  expect(await answers.begin(scope, 'other')).toEqual({ ok: true, value: null });
  await answers.keep(scope, { requestHash: 'other', status: 200, body: '{}' });
});

test('given a key of another person, or on another route, it is another key', async () => {
  const headers = { 'idempotency-key': 'shared' };
  const operator = await world.token('operator', [], 'all-operator');
  const body = { filter: 'online = true' };
  const first = await world.post(operator, '/fleets/plant/filter-previews', { body, headers });
  const second = await world.post(viewer, '/fleets/plant/filter-previews', { body, headers });
  const third = await world.post(operator, '/fleets/harbour/filter-previews', { body, headers });
  expect(first.headers['idempotency-replayed']).toBeUndefined();
  expect(second.headers['idempotency-replayed']).toBeUndefined();
  // The route is the same with another fleet in it, so the request differs under one key.
  expect(codeIn(third)).toBe('422 idempotency-mismatch');
});

test('given a key with a space or too long, it is refused', async () => {
  for (const key of ['a b', 'x'.repeat(limits.idempotencyKeyCharsMax + 1)]) {
    const headers = { 'idempotency-key': key };
    const answer = await world.post(viewer, '/fleets/plant/filter-previews', {
      headers,
      body: { filter: 'online = true' },
    });
    expect(codeIn(answer)).toBe('400 schema-mismatch');
  }
});

test('given rights at the repository, readers read their fleets and only all-seeing operators publish', async () => {
  const authorize = createAuthorizeRegistry(world.desks.access);
  const told = async (token: string | undefined, need: 'read' | 'publish') => {
    const answer = await authorize(token, need);
    return answer.ok ? answer.value.scope : answer.error.code;
  };
  const narrow = await world.token('operator', [plant], 'narrow');
  const wide = await world.token('operator', [], 'wide');
  expect(await told(undefined, 'read')).toBe('token-missing');
  expect(await told('nonsense', 'read')).toBe('token-invalid');
  expect(await told(viewer, 'read')).toEqual({ fleets: [plant], seesUploads: false });
  expect(await told(viewer, 'publish')).toBe('role-insufficient');
  expect(await told(narrow, 'publish')).toBe('role-insufficient');
  expect(await told(wide, 'publish')).toEqual({ fleets: 'all', seesUploads: true });
});

test('given a token that has run out, it is refused by the clock of the server', async () => {
  const by = { kind: 'person', name: 'test', role: 'admin', fleets: [] } as const;
  const request = { name: 'short', role: 'viewer', fleets: [harbour], lifeMs: 1_000 } as const;
  const issued = await world.desks.access.create(by, request);
  const token = issued.ok ? issued.value.token : '';
  expect((await world.get(token, '/whoami')).statusCode).toBe(200);
  await world.pass(1_000);
  expect(codeIn(await world.get(token, '/whoami'))).toBe('401 token-expired');
});

test('given the same order twice, the device, the audit chain and the events have it once', async () => {
  await world.store.transaction((tx) => tx.devices.insert(device('twice-1')));
  const { devices, audit } = world.desks;
  const address = { fleet: plant, device: device('twice-1').device };
  const etag = String((await world.get(viewer, '/fleets/plant/devices/twice-1')).headers['etag']);
  const before = (await audit.head())?.size;
  const order = { order: 'accept', why: '', by: 'ada', seen: etag.slice(1, -1) } as const;
  expect((await devices.stand(address, order)).ok).toBe(true);
  expect((await audit.head())?.size).toBe(before);
});

test('given many refused logins of one address, it is told to wait', async () => {
  const codes = new Set<string>();
  for (let n = 0; n <= limits.authFailuresPerMinute; n += 1) {
    const answer = await world.get('nonsense', '/whoami');
    codes.add(codeIn(answer));
    if (answer.statusCode === 429) expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  }
  expect(codes).toEqual(new Set(['401 token-invalid', '429 rate-limited']));
});

test('given more requests than its budget, a person is told to wait and another is not', async () => {
  const greedy = await world.token('viewer', [plant], 'greedy');
  let last = 200;
  for (let n = 0; n <= limits.requestsPerMinute; n += 1) {
    last = (await world.get(greedy, '/whoami')).statusCode;
  }
  expect(last).toBe(429);
  expect((await world.get(viewer, '/whoami')).statusCode).toBe(200);
});
