import type { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EventKeeper } from '../../../fleet-server/runner/event-keeper.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { codeIn, HttpWorld } from '../../support/http-world.ts';
import { harbour, plant } from '../../support/store-nouns.ts';

let world: HttpWorld;
let viewer: string;
beforeEach(async () => {
  world = await HttpWorld.open();
  viewer = await world.token('viewer');
});
afterEach(() => world.close());

const append = (subject: string, fleet = plant) =>
  world.store.transaction((tx) =>
    tx.events.append(fleet, { atMs: 1, kind: 'device-tagged', subject, content: { n: 1 } }),
  );

interface Stream {
  text(): string;
  readonly isEnded: () => boolean;
  readonly close: () => void;
}

async function openStream(lastEventId?: number): Promise<Stream> {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) };
  const answer = await world.app.inject({
    url: '/api/v1/fleets/plant/events/stream',
    headers: { authorization: `Bearer ${viewer}`, ...headers },
    payloadAsStream: true,
  });
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['content-type']).toContain('text/event-stream');
  const body: Readable = answer.stream();
  let text = '';
  let isEnded = false;
  body.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  body.on('end', () => {
    isEnded = true;
  });
  return { text: () => text, isEnded: () => isEnded, close: () => body.destroy() };
}

const subjectsIn = (text: string): string[] =>
  [...text.matchAll(/^data: (.*)$/gm)].map(
    (match) => (JSON.parse(match[1] ?? '') as { readonly subject: string }).subject,
  );

test('given the last id seen, the stream replays what came since and goes on, for its fleet alone', async () => {
  const first = await append('a');
  await append('b');
  await append('foreign', harbour);
  const stream = await openStream(first);
  await world.pass(limits.eventPollMs);
  await append('c');
  await world.pass(limits.eventPollMs);
  expect(subjectsIn(stream.text())).toEqual(['b', 'c']);
  stream.close();
});

test('given no last id, the stream starts now and stays alive by comments', async () => {
  await append('old');
  const stream = await openStream();
  await world.pass(limits.eventHeartbeatMs + limits.eventPollMs);
  expect(stream.text()).toContain(': still here');
  expect(subjectsIn(stream.text())).toEqual([]);
  stream.close();
});

test('given events that are no longer kept, the stream says so before it goes on', async () => {
  const first = await append('a');
  await append('b');
  await append('c');
  await world.store.transaction((tx) => tx.events.removeOldest(plant, 1));
  const stream = await openStream(first);
  await world.pass(limits.eventPollMs);
  const [, told = ''] = /event: gap\ndata: (.*)\n\nid: 3\n/.exec(stream.text()) ?? [];
  expect(JSON.parse(told)).toMatchObject({ code: 'events-missed', oldest: 3 });
  stream.close();
});

test('given more events than are kept, the oldest of each fleet go and the newest stay', async () => {
  const extra = 3;
  await world.store.transaction(async (tx) => {
    const draft = { atMs: 1, kind: 'device-tagged', subject: 's', content: {} };
    for (let i = 0; i < limits.eventsKept + extra; i += 1) await tx.events.append(plant, draft);
    await tx.events.append(harbour, draft);
  });
  const { store, clock, log } = world;
  const keeper = new EventKeeper({ store, clock, log });
  expect(await keeper.prune()).toBe(extra);
  expect(await keeper.prune()).toBe(0);
  const [ours, theirs] = await store.read(async (view) => [
    await view.events.range(plant),
    await view.events.range(harbour),
  ]);
  expect(ours).toEqual({ oldest: extra + 1, newest: limits.eventsKept + extra });
  expect(theirs?.newest).toBe(limits.eventsKept + extra + 1);
}, 60_000);

test('given a token that is revoked meanwhile, the stream ends at its next heartbeat', async () => {
  const stream = await openStream();
  await world.pass(limits.eventPollMs);
  const by = { kind: 'person', name: 'test', role: 'admin', fleets: [] } as const;
  await world.desks.access.revoke(by, 'viewer');
  await world.pass(limits.eventHeartbeatMs + limits.eventPollMs);
  expect(stream.isEnded()).toBe(true);
  expect(stream.text()).not.toContain(': still here');
});

test('given a closing server, streams end', async () => {
  const stream = await openStream();
  world.closing.abort();
  await world.pass(limits.eventPollMs);
  expect(stream.isEnded()).toBe(true);
});

test('given as many streams as the server holds, one more is refused and one that left makes room', async () => {
  const stop = new AbortController();
  const follow = () => world.desks.events.follow(plant, { after: 0, signal: stop.signal });
  const open = Array.from({ length: limits.eventStreamsMax }, follow);
  const answer = await world.get(viewer, '/fleets/plant/events/stream');
  expect(codeIn(answer)).toBe('503 streams-exhausted');
  const [first] = open;
  stop.abort();
  if (first?.ok === true) for await (const part of first.value.parts) expect(part).toBeUndefined();
  expect(follow().ok).toBe(true);
});

test('given a Last-Event-ID that is no id, it is refused', async () => {
  const answer = await world.ask(viewer, {
    url: '/api/v1/fleets/plant/events/stream',
    headers: { 'last-event-id': 'x' },
  });
  expect(codeIn(answer)).toBe('400 schema-mismatch');
});
