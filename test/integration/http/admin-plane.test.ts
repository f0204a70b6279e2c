import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AnswerBody, codeIn, HttpWorld } from '../../support/http-world.ts';
import { device, harbour, plant } from '../../support/store-nouns.ts';

let world: HttpWorld;
let viewer: string;
let operator: string;
beforeAll(async () => {
  world = await HttpWorld.open();
  viewer = await world.token('viewer');
  operator = await world.token('operator');
  await world.store.transaction(async (tx) => {
    for (let n = 10; n < 22; n += 1) {
      const site = n % 2 === 0 ? 'oslo' : 'bergen';
      await tx.devices.insert(device(`edge-${n}`, { tags: { site } }));
    }
    await tx.devices.insert(device('foreign-1', { fleet: harbour }));
    await tx.devices.insert(
      device('new-1', {
        state: 'pending',
        agentVersion: '1\u001b[31m',
        facts: { os: 'bad\u001b[2Jname' },
      }),
    );
  });
});
afterAll(() => world.close());

const names = (body: { readonly items: readonly { readonly device: string }[] }) =>
  body.items.map((item) => item.device);

test('given no token, a bad one and a device name as token, requests are refused with 401 and a code', async () => {
  const url = '/api/v1/fleets/plant/devices';
  expect(codeIn(await world.ask(undefined, { url }))).toBe('401 token-missing');
  const unknown = `skein_viewer_${'0'.repeat(64)}`;
  const answer = await world.ask(unknown, { url });
  expect(codeIn(answer)).toBe('401 token-invalid');
  expect(answer.headers['www-authenticate']).toContain('Bearer');
  expect(answer.headers['content-type']).toContain('application/problem+json');
  expect(codeIn(await world.ask('edge-10', { url }))).toBe('401 token-invalid');
  expect(codeIn(await world.ask(undefined, { url: `${url}?access_token=${viewer}` }))).toBe(
    '401 token-missing',
  );
});

test('given a foreign Host, even a public route is refused', async () => {
  const headers = { host: 'evil.example' };
  expect(codeIn(await world.ask(undefined, { url: '/livez', headers }))).toBe('421 host-refused');
  const fine = await world.ask(undefined, { url: '/livez', headers: { host: 'localhost:9' } });
  expect(fine.statusCode).toBe(200);
  expect(fine.headers['content-security-policy']).toContain("default-src 'none'");
  expect(fine.headers['access-control-allow-origin']).toBeUndefined();
});

test('given a filter and a limit, the cursor leads through exactly the devices that match', async () => {
  const seen: string[] = [];
  let url = '/fleets/plant/devices?limit=2&filter=tags.site%3Doslo';
  for (;;) {
    const page = (await world.get(viewer, url)).json<AnswerBody>();
    seen.push(...names(page));
    if (page.nextCursor === undefined) break;
    url = `/fleets/plant/devices?limit=2&filter=tags.site%3Doslo&cursor=${page.nextCursor}`;
  }
  expect(seen.filter((name) => name.startsWith('edge'))).toEqual(
    [10, 12, 14, 16, 18, 20].map((n) => `edge-${n}`),
  );
});

test('given the cursor of another filter, or an invented one, it is refused', async () => {
  const page = (await world.get(viewer, '/fleets/plant/devices?limit=2')).json<AnswerBody>();
  const foreign = `/fleets/plant/devices?filter=online%3Dtrue&cursor=${page.nextCursor}`;
  expect(codeIn(await world.get(viewer, foreign))).toBe('400 cursor-invalid');
  expect(codeIn(await world.get(viewer, '/fleets/plant/devices?cursor=abc'))).toBe(
    '400 cursor-invalid',
  );
  expect(codeIn(await world.get(viewer, '/fleets/plant/devices?limit=501'))).toBe(
    '400 schema-mismatch',
  );
  expect(codeIn(await world.get(viewer, '/fleets/plant/devices?page=2'))).toBe(
    '400 schema-mismatch',
  );
});

test('given a broken filter, the refusal shows the place with a caret', async () => {
  const answer = await world.post(viewer, '/fleets/plant/filter-previews', {
    body: { filter: 'tags.site = ' },
  });
  expect(codeIn(answer)).toBe('400 filter-syntax');
  expect(answer.json<AnswerBody>().detail).toContain('^');
});

test('given a filter, its preview tells spelling, tree, count and a few samples', async () => {
  const answer = await world.post(viewer, '/fleets/plant/filter-previews', {
    body: { filter: 'tags.site=bergen  and (online=false)' },
  });
  const preview = answer.json<AnswerBody>();
  expect(preview.filter).toBe('tags.site = bergen and online = false');
  expect(preview.tree.kind).toBe('and');
  expect(preview.count).toBe(6);
  expect(preview.samples).toHaveLength(5);
});

test('given texts of a device that steer a terminal, they come out as text', async () => {
  const answer = await world.get(viewer, '/fleets/plant/devices/new-1');
  expect(answer.json<AnswerBody>().facts['os']).toBe('bad�[2Jname');
  expect(answer.body).not.toContain('\\u001b');
});

test('given a pending device, an order needs the tag that was seen, and counts once', async () => {
  const url = '/fleets/plant/devices/new-1';
  const etag = String((await world.get(operator, url)).headers['etag']);
  expect(codeIn(await world.post(viewer, `${url}/accept`, { headers: { 'if-match': etag } }))).toBe(
    '403 role-insufficient',
  );
  expect(codeIn(await world.post(operator, `${url}/accept`))).toBe('428 precondition-required');
  const stale = { 'if-match': '"00"' };
  expect(codeIn(await world.post(operator, `${url}/accept`, { headers: stale }))).toBe(
    '412 precondition-failed',
  );
  const done = await world.post(operator, `${url}/accept`, { headers: { 'if-match': etag } });
  expect(done.json<AnswerBody>().state).toBe('accepted');
  const again = await world.post(operator, `${url}/accept`, { headers: { 'if-match': etag } });
  expect(codeIn(again)).toBe('412 precondition-failed');
  const rejected = await world.post(operator, `${url}/reject`, {
    headers: { 'if-match': String(done.headers['etag']) },
  });
  expect(codeIn(rejected)).toBe('409 device-wrong-state');
  const audit = (await world.get(viewer, '/fleets/plant/audit')).json<AnswerBody>();
  const accepted = audit.items.filter((row) => row.action === 'device-accepted');
  expect(accepted).toHaveLength(1);
  expect(accepted[0]).toMatchObject({ actor: 'operator', subject: 'new-1' });
});

test('given an id of another fleet, it is not there, under either fleet', async () => {
  expect(codeIn(await world.get(viewer, '/fleets/plant/devices/foreign-1'))).toBe('404 not-found');
  const foreign = await world.get(viewer, '/fleets/harbour/devices/foreign-1');
  const nowhere = await world.get(viewer, '/fleets/nowhere/devices/foreign-1');
  expect(codeIn(foreign)).toBe('404 not-found');
  expect(codeIn(nowhere)).toBe('404 not-found');
});

test('given a claim, it and its enrolment string are shown once and never kept', async () => {
  const headers = { 'idempotency-key': 'claim-1' };
  const body = { idPattern: 'edge-*', uses: 3, preAuthorized: true };
  const answer = await world.post(operator, '/fleets/plant/claims', { body, headers });
  expect(answer.statusCode).toBe(201);
  const { claim, enrolment, claimHash } = answer.json<AnswerBody>();
  expect(enrolment).toBe(
    `skein+http://127.0.0.1:8080/#claim=${claim}&root=sha256:${'a'.repeat(64)}`,
  );
  const again = await world.post(operator, '/fleets/plant/claims', { body, headers });
  expect(codeIn(again)).toBe('409 answer-not-kept');
  const listed = await world.get(viewer, '/fleets/plant/claims');
  expect(listed.body).not.toContain(claim);
  expect(listed.json<AnswerBody>().items).toHaveLength(1);
  const url = `/api/v1/fleets/plant/claims/${claimHash}`;
  expect((await world.ask(operator, { method: 'DELETE', url })).statusCode).toBe(204);
  expect(codeIn(await world.ask(operator, { method: 'DELETE', url }))).toBe('404 not-found');
});

test('given a token request, nobody hands out more than they have, and revoking ends it at once', async () => {
  const admin = await world.token('admin', [plant], 'plant-admin');
  const wider = { name: 'wide', role: 'viewer', fleets: [] };
  expect(codeIn(await world.post(admin, '/tokens', { body: wider }))).toBe('404 not-found');
  const body = { name: 'ci', role: 'viewer', fleets: ['plant'] };
  const issued = (await world.post(admin, '/tokens', { body })).json<AnswerBody>();
  expect(issued.token).toMatch(/^skein_viewer_[0-9a-f]{64}$/);
  expect(codeIn(await world.post(admin, '/tokens', { body }))).toBe('409 name-taken');
  expect((await world.get(issued.token, '/whoami')).json<AnswerBody>()).toEqual({
    name: 'ci',
    role: 'viewer',
    fleets: ['plant'],
  });
  const listed = (await world.get(admin, '/tokens')).json<AnswerBody>();
  expect(JSON.stringify(listed)).not.toContain('first-admin');
  expect(
    codeIn(await world.ask(admin, { method: 'DELETE', url: '/api/v1/tokens/first-admin' })),
  ).toBe('404 not-found');
  await world.ask(admin, { method: 'DELETE', url: '/api/v1/tokens/ci' });
  expect(codeIn(await world.get(issued.token, '/whoami'))).toBe('401 token-revoked');
});

test('given the same Idempotency-Key, the answer is repeated; with another body it is refused', async () => {
  const headers = { 'idempotency-key': 'fleet-1' };
  const first = await world.post(world.admin, '/fleets', { body: { fleet: 'depot' }, headers });
  const second = await world.post(world.admin, '/fleets', { body: { fleet: 'depot' }, headers });
  expect(first.statusCode).toBe(201);
  expect([second.statusCode, second.body]).toEqual([201, first.body]);
  expect(second.headers['idempotency-replayed']).toBe('true');
  const other = await world.post(world.admin, '/fleets', { body: { fleet: 'other' }, headers });
  expect(codeIn(other)).toBe('422 idempotency-mismatch');
  const later = await world.post(world.admin, '/fleets', { body: { fleet: 'depot' } });
  expect(codeIn(later)).toBe('409 name-taken');
});

test('given bad bodies, each is refused with its code and a pointer', async () => {
  const send = (payload: string, type = 'application/json') =>
    world.ask(world.admin, {
      method: 'POST',
      url: '/api/v1/fleets',
      payload,
      headers: { 'content-type': type },
    });
  expect(codeIn(await send('{"fleet":"a1","fleet":"b1"}'))).toBe('400 malformed-json');
  expect(codeIn(await send('{'))).toBe('400 malformed-json');
  expect(codeIn(await send('{"fleet":7}'))).toBe('400 schema-mismatch');
  const unknown = await send('{"fleet":"a1","color":"red"}');
  expect(unknown.json<AnswerBody>().errors).toEqual([
    { pointer: '/color', message: 'must NOT have additional properties' },
  ]);
  expect(codeIn(await send('fleet=a1', 'application/x-www-form-urlencoded'))).toBe(
    '415 media-type-refused',
  );
  expect(codeIn(await send(`{"fleet":"${'a'.repeat(300_000)}"}`))).toBe('413 too-large');
  expect(codeIn(await world.get(viewer, '/nothing'))).toBe('404 route-unknown');
});

test('given a defect behind a route, the answer tells the request id and nothing of the inside', async () => {
  const broken = await HttpWorld.open();
  const token = await broken.token('viewer');
  broken.desks.devices.list = () => Promise.reject(new Error('the inside'));
  const answer = await broken.get(token, '/fleets/plant/devices');
  expect(codeIn(answer)).toBe('500 unexpected');
  expect(answer.body).not.toContain('the inside');
  expect(answer.json<AnswerBody>().requestId).toBe(answer.headers['request-id']);
  expect(broken.log.entries.at(-1)?.fields).toMatchObject({ event: 'request-failed' });
  await broken.close();
});
