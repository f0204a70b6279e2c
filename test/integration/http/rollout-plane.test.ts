import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AnswerBody, codeIn, HttpWorld } from '../../support/http-world.ts';
import { device, digest, filetype, plant, targetPath } from '../../support/store-nouns.ts';

let world: HttpWorld;
let author: string;
let approver: string;
beforeAll(async () => {
  world = await HttpWorld.open();
  author = await world.token('operator');
  approver = await world.token('approver');
  await world.store.transaction(async (tx) => {
    for (let n = 10; n < 30; n += 1)
      await tx.devices.insert(device(`edge-${n}`, { cell: n * 100 }));
    await tx.bundles.insert({
      ...{ fleet: plant, path: targetPath('1.0.0'), name: 'filetype', version: '1.0.0' },
      ...{
        digest: digest('1'),
        status: 'live',
        blobs: [digest('1')],
        publishedAtMs: 0,
        statusSinceMs: 0,
        contentReleasedAtMs: null,
        minAgent: null,
      },
    });
  });
});
afterAll(() => world.close());

const request = {
  app: filetype,
  path: targetPath('1.0.0'),
  digest: digest('1'),
  target: 'state = accepted',
  waves: [{ percent: 10 }, { percent: 100 }],
};
const url = '/fleets/plant/rollouts';
const draft = async (change: object = {}) => {
  const answer = await world.post(author, url, { body: { ...request, ...change } });
  expect(answer.statusCode).toBe(201);
  return { id: answer.json<AnswerBody>().rollout, etag: String(answer.headers['etag']) };
};
const order = async (token: string, path: string, etag: string, body: object = {}) =>
  world.post(token, `${url}/${path}`, { body, headers: { 'if-match': etag } });
const tagOf = async (id: string) =>
  String((await world.get(author, `${url}/${id}`)).headers['etag']);

test('given a bundle that is not published under that digest, no rollout is drafted', async () => {
  const wrong = await world.post(author, url, { body: { ...request, digest: digest('2') } });
  expect(codeIn(wrong)).toBe('422 bundle-unknown');
  const missing = { ...request, path: targetPath('9.0.0') };
  expect(codeIn(await world.post(author, url, { body: missing }))).toBe('422 bundle-unknown');
});

test('given a plan that does not end with everyone, the refusal points at the wave', async () => {
  const answer = await world.post(author, url, { body: { ...request, waves: [{ percent: 10 }] } });
  expect(codeIn(answer)).toBe('422 rollout-spec-invalid');
  expect(answer.json<AnswerBody>().errors[0]?.pointer).toBe('/waves/0');
});

test('given two people with the same tag, only the first order counts', async () => {
  const { id, etag } = await draft();
  expect(codeIn(await world.post(author, `${url}/${id}/submit`))).toBe('428 precondition-required');
  const first = await order(author, `${id}/submit`, etag);
  expect(first.json<AnswerBody>().status).toBe('running');
  expect(codeIn(await order(author, `${id}/submit`, etag))).toBe('412 precondition-failed');
  const now = String(first.headers['etag']);
  const paused = await order(author, `${id}/pause`, now, { why: 'lunch' });
  expect(paused.json<AnswerBody>()).toMatchObject({
    status: 'paused',
    last: { by: 'operator', why: 'lunch' },
  });
  const wrong = await order(author, `${id}/pause`, String(paused.headers['etag']));
  expect(codeIn(wrong)).toBe('409 rollout-wrong-state');
  await order(author, `${id}/abort`, String(paused.headers['etag']), { why: 'enough' });
});

test('given a rollout that needs approval, its author cannot give it, and a changed plan voids it', async () => {
  const { id, etag } = await draft({ approval: 'required', overrideStop: true });
  const waiting = await order(author, `${id}/submit`, etag);
  expect(waiting.json<AnswerBody>().status).toBe('awaiting-approval');
  const { binding } = waiting.json<AnswerBody>();
  const tag = String(waiting.headers['etag']);
  expect(codeIn(await order(author, `${id}/approve`, tag, { binding }))).toBe(
    '403 role-insufficient',
  );
  const other = { ...binding, target: 'online = true' };
  expect(codeIn(await order(approver, `${id}/approve`, tag, { binding: other }))).toBe(
    '409 approval-void',
  );
  const approved = await order(approver, `${id}/approve`, tag, { binding });
  expect(approved.json<AnswerBody>()).toMatchObject({
    status: 'running',
    last: { by: 'approver' },
  });
  await order(approver, `${id}/abort`, String(approved.headers['etag']));
});

test('given a plan that waits for approval, its author may write it anew, and what was shown is void', async () => {
  const { id, etag } = await draft({ approval: 'required', overrideStop: true });
  const waiting = await order(author, `${id}/submit`, etag);
  const { binding } = waiting.json<AnswerBody>();
  const tag = String(waiting.headers['etag']);
  const edit = (token: string, ifMatch: string, change: object) =>
    world.ask(token, {
      ...{ method: 'PUT', url: `/api/v1${url}/${id}`, headers: { 'if-match': ifMatch } },
      payload: { ...request, approval: 'required', overrideStop: true, ...change },
    });
  const target = 'state = accepted and device = edge-10';
  expect(codeIn(await edit(approver, tag, { target }))).toBe('403 rollout-of-another');
  expect(codeIn(await edit(author, etag, { target }))).toBe('412 precondition-failed');
  expect(codeIn(await edit(author, tag, { app: 'other' }))).toBe('422 rollout-spec-invalid');
  expect(codeIn(await edit(author, tag, { digest: digest('2') }))).toBe('422 bundle-unknown');
  expect(codeIn(await edit(author, tag, { waves: [{ percent: 10 }] }))).toBe(
    '422 rollout-spec-invalid',
  );
  const edited = await edit(author, tag, { target });
  expect(edited.json<AnswerBody>()).toMatchObject({ status: 'draft', binding: { target } });
  const now = String(edited.headers['etag']);
  const late = await order(approver, `${id}/approve`, now, { binding });
  expect(codeIn(late)).toBe('409 rollout-wrong-state');
  const again = await order(author, `${id}/submit`, now);
  const stale = await order(approver, `${id}/approve`, String(again.headers['etag']), { binding });
  expect(codeIn(stale)).toBe('409 approval-void');
  const shown = again.json<AnswerBody>().binding;
  const tagNow = String(again.headers['etag']);
  const started = await order(approver, `${id}/approve`, tagNow, { binding: shown });
  expect(started.json<AnswerBody>().status).toBe('running');
  const running = String(started.headers['etag']);
  expect(codeIn(await edit(author, running, { target }))).toBe('409 rollout-wrong-state');
  await order(author, `${id}/abort`, running);
});

test('given an approver who drafted it, approving their own rollout is refused', async () => {
  const body = { ...request, approval: 'required', overrideStop: true };
  const drafted = await world.post(approver, url, { body });
  const id = drafted.json<AnswerBody>().rollout;
  const waiting = await order(approver, `${id}/submit`, String(drafted.headers['etag']));
  const { binding } = waiting.json<AnswerBody>();
  const own = await order(approver, `${id}/approve`, String(waiting.headers['etag']), { binding });
  expect(codeIn(own)).toBe('403 approval-own-rollout');
  const denied = await order(approver, `${id}/deny`, String(waiting.headers['etag']), {
    why: 'no',
  });
  expect(denied.json<AnswerBody>().status).toBe('draft');
});

test('given a running rollout, explaining it or a device tells why and changes nothing', async () => {
  const { id, etag } = await draft({ overrideStop: true });
  await order(author, `${id}/submit`, etag);
  await world.server.rollouts.turn(plant);
  const before = await tagOf(id);
  const offered = (await world.get(author, `${url}/${id}`)).json<AnswerBody>().devices;
  const why = (await world.get(author, `${url}/${id}/explanation`)).json<AnswerBody>();
  expect(why.sentence).toContain(`${id} is running wave 1 offering`);
  expect(why.because.length).toBeGreaterThan(0);
  expect(await tagOf(id)).toBe(before);
  await world.get(author, `${url}/${id}/explanation`);
  expect((await world.get(author, `${url}/${id}`)).json<AnswerBody>().devices).toEqual(offered);
  const explained = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      world.get(author, `/fleets/plant/devices/edge-${n + 10}/explanation?rollout=${id}`),
    ),
  );
  const sentences = explained.map((answer) => String(answer.json<AnswerBody>().apps[0]?.sentence));
  expect(sentences.filter((sentence) => sentence.includes('waits'))).not.toHaveLength(0);
  const other = `/fleets/plant/devices/edge-10/explanation?rollout=rol-${'0'.repeat(16)}`;
  expect(codeIn(await world.get(author, other))).toBe('404 not-found');
  await order(author, `${id}/abort`, await tagOf(id), { why: 'seen enough' });
});

test('given several rollouts, the list pages newest first and the events tell who did what', async () => {
  const first = (await world.get(author, `${url}?limit=2`)).json<AnswerBody>();
  expect(first.items).toHaveLength(2);
  const rest = (
    await world.get(author, `${url}?limit=2&cursor=${first.nextCursor}`)
  ).json<AnswerBody>();
  const ids = [...first.items, ...rest.items].map((item) => item.rollout);
  expect(new Set(ids).size).toBe(ids.length);
  expect(codeIn(await world.get(author, `${url}?status=draft&cursor=${first.nextCursor}`))).toBe(
    '400 cursor-invalid',
  );
  const aborted = (await world.get(author, `${url}?status=aborted`)).json<AnswerBody>().items[0];
  const events = (
    await world.get(author, `${url}/${aborted?.rollout ?? 'none'}/events`)
  ).json<AnswerBody>();
  expect(events.items.map((event) => event.kind)).toContain('aborting');
});

test('given a device that the next look would offer to, explaining the rollout does not offer', async () => {
  const plan = { overrideStop: true, membership: 'dynamic', waves: [{ percent: 100 }] };
  const { id, etag } = await draft({ ...plan, holdback: { count: 0 } });
  await order(author, `${id}/submit`, etag);
  await world.server.rollouts.turn(plant);
  const countOf = async () =>
    (await world.get(author, `${url}/${id}`))
      .json<{ devices: { count: number }[] }>()
      .devices.reduce((sum, { count }) => sum + count, 0);
  const before = await countOf();
  await world.store.transaction((tx) => tx.devices.insert(device('late-1', { cell: 7 })));
  await world.get(author, `${url}/${id}/explanation`);
  expect(await countOf()).toBe(before);
  await world.server.rollouts.turn(plant);
  expect(await countOf()).toBe(before + 1);
});

test('given a bundle that was retired, it is neither drafted nor started, approved or tried again', async () => {
  const drafted = await draft({ overrideStop: true });
  const waiting = await draft({ approval: 'required', overrideStop: true });
  const asked = await order(author, `${waiting.id}/submit`, waiting.etag);
  const { binding } = asked.json<AnswerBody>();
  const started = await draft({ overrideStop: true });
  const running = await order(author, `${started.id}/submit`, started.etag);
  expect(running.json<AnswerBody>().status).toBe('running');
  const setStatus = (status: 'live' | 'deprecated' | 'revoked') =>
    world.store.transaction((tx) =>
      tx.bundles.setStatus(plant, targetPath('1.0.0'), { status, nowMs: 1 }),
    );
  for (const [status, code] of [
    ['deprecated', '409 bundle-not-live'],
    ['revoked', '409 digest-revoked'],
  ] as const) {
    await setStatus(status);
    expect(codeIn(await world.post(author, url, { body: request }))).toBe(code);
    const edit = world.ask(author, {
      ...{ method: 'PUT', url: `/api/v1${url}/${drafted.id}`, payload: request },
      headers: { 'if-match': await tagOf(drafted.id) },
    });
    expect(codeIn(await edit)).toBe(code);
    const submit = order(author, `${drafted.id}/submit`, await tagOf(drafted.id));
    expect(codeIn(await submit)).toBe(code);
    const approve = order(approver, `${waiting.id}/approve`, await tagOf(waiting.id), {
      binding,
    });
    expect(codeIn(await approve)).toBe(code);
    const retry = order(author, `${started.id}/retry`, await tagOf(started.id));
    expect(codeIn(await retry)).toBe(code);
  }
  await setStatus('live');
  expect((await order(author, `${drafted.id}/submit`, await tagOf(drafted.id))).statusCode).toBe(
    200,
  );
});
