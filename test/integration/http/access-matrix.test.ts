import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { roles } from '../../../fleet-server/core/model/access.ts';
import { HttpWorld } from '../../support/http-world.ts';

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly operationId: string;
  readonly description?: string;
  readonly security: readonly unknown[];
}

let world: HttpWorld;
const tokens = new Map<string, string>();
let operations: readonly Operation[];
beforeAll(async () => {
  world = await HttpWorld.open();
  for (const role of roles) tokens.set(role, await world.token(role));
  const answer = await world.app.inject({ url: '/openapi.json' });
  const document = answer.json<{ paths: Record<string, Record<string, Operation>> }>();
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, path, method })),
  );
});
afterAll(() => world.close());

/** An address under that fleet where every other parameter has the right form and names nothing. */
const addressOf = (path: string, fleet: string): string =>
  path
    .replace('{fleet}', fleet)
    .replace('{device}', 'nobody')
    .replace('{rollout}', `rol-${'0'.repeat(16)}`)
    .replace('{round}', `rnd-${'0'.repeat(16)}`)
    .replace('{digest}', `sha256:${'0'.repeat(64)}`)
    .replace('{claimHash}', '0'.repeat(64))
    .replace('{name}', 'nothing');

/** An empty body is refused by form where one is needed; access is judged before that. */
async function statusOf(token: string | undefined, { method, path }: Operation, fleet: string) {
  const payload = method === 'get' || method === 'delete' ? {} : { payload: {} };
  const url = addressOf(path, fleet);
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  // As a stream, because an event stream that was let in has a status and no end.
  const answer = await world.app.inject({
    ...{ method: method.toUpperCase() as 'GET', url, headers: authorization, ...payload },
    payloadAsStream: true,
  });
  answer.stream().on('error', () => undefined);
  answer.stream().destroy();
  return answer.statusCode;
}

const guarded = () => operations.filter((operation) => operation.security.length > 0);
const isForDevices = ({ description = '' }: Operation) => description.startsWith('For a device');
const forPeople = () => guarded().filter((operation) => !isForDevices(operation));
const roleOf = ({ description = '' }: Operation) => /^Role: ([a-z]+)/.exec(description)?.[1] ?? '';

test('given the document, there are routes of every role and fleet routes among them', () => {
  expect(new Set(forPeople().map(roleOf))).toEqual(new Set(roles));
  expect(
    guarded()
      .filter(isForDevices)
      .map(({ operationId }) => operationId),
  ).toEqual(['putRoundUpdate']);
  expect(guarded().filter(({ path }) => path.includes('{fleet}')).length).toBeGreaterThan(20);
});

test('given no token, every route but the public ones answers 401', async () => {
  for (const operation of guarded()) {
    const status = await statusOf(undefined, operation, 'plant');
    expect([operation.operationId, status]).toEqual([operation.operationId, 401]);
  }
});

test('given any role and a foreign or missing fleet, every fleet route answers 404', async () => {
  const ofFleet = guarded().filter(({ path }) => path.includes('{fleet}'));
  for (const operation of ofFleet) {
    for (const role of roles) {
      for (const fleet of ['harbour', 'nowhere']) {
        const status = await statusOf(tokens.get(role), operation, fleet);
        const name = `${operation.operationId} ${role} ${fleet}`;
        expect([name, status]).toEqual([name, 404]);
      }
    }
  }
});

test('given each role on its own fleet, exactly the routes above it answer 403', async () => {
  for (const operation of forPeople()) {
    const needed = roles.findIndex((role) => role === roleOf(operation));
    const isServer = operation.description?.includes('scope: server') === true;
    for (const [rank, role] of roles.entries()) {
      const status = await statusOf(tokens.get(role), operation, 'plant');
      const name = `${operation.operationId} ${role}`;
      // These tokens see one fleet, so what concerns the whole server is not theirs.
      const isRefused = rank < needed || isServer;
      expect([name, status === 403]).toEqual([name, isRefused]);
    }
  }
});

test('given a token of a person, what is for devices alone answers 403', async () => {
  for (const operation of guarded().filter(isForDevices)) {
    for (const role of roles) {
      const status = await statusOf(tokens.get(role), operation, 'plant');
      expect([operation.operationId, role, status]).toEqual([operation.operationId, role, 403]);
    }
  }
});

test('given a token that sees all fleets, what concerns the whole server is open to its role', async () => {
  const all = await world.token('viewer', [], 'all-viewer');
  for (const operation of guarded()) {
    if (operation.description?.includes('scope: server') !== true) continue;
    const status = await statusOf(all, operation, 'plant');
    const isRefused = roleOf(operation) !== 'viewer';
    expect([operation.operationId, status === 403]).toEqual([operation.operationId, isRefused]);
  }
});

test('given the routes as they are, the committed document says the same', async () => {
  const now: unknown = (await world.app.inject({ url: '/openapi.json' })).json();
  const file = new URL('../../../docs/openapi.json', import.meta.url);
  if (process.env['SKEIN_WRITE_OPENAPI'] === '1') {
    await writeFile(file, `${JSON.stringify(now, null, 2)}\n`);
  }
  const committed: unknown = JSON.parse(await readFile(file, 'utf8'));
  expect(now).toMatchObject({ openapi: '3.1.0' });
  // Differs? Run this test with SKEIN_WRITE_OPENAPI=1, format the file, and review the change.
  expect(committed).toEqual(now);
});
