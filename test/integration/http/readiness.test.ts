import { afterEach, beforeEach, expect, test } from 'vitest';
import { createBroker } from '../../contract/message-worlds.ts';
import { codeIn, HttpWorld } from '../../support/http-world.ts';
import { createSuiteGate, HeardMessages } from '../../support/message-world.ts';

let world: HttpWorld;
beforeEach(async () => {
  world = await HttpWorld.open();
});
afterEach(() => world.close());

const ask = () => world.ask(undefined, { method: 'GET', url: '/readyz' });

test('given a broker that is not open yet, the server is not ready; once it is, it is', async () => {
  expect(codeIn(await ask())).toBe('503 broker-closed');
  await world.broker.start(createSuiteGate(Date.now), new HeardMessages());
  expect((await ask()).statusCode).toBe(200);
});

test('when the broker has closed under a running server, it is not ready any more', async () => {
  await world.broker.start(createSuiteGate(Date.now), new HeardMessages());
  await world.broker.close();
  expect(codeIn(await ask())).toBe('503 broker-closed');
});

test('when the store is closed, or the server takes nothing new, it is not ready', async () => {
  await world.broker.start(createSuiteGate(Date.now), new HeardMessages());
  await world.store.close();
  expect(codeIn(await ask())).toBe('503 store-closed');
  world.closing.abort();
  expect(codeIn(await ask())).toBe('503 store-closed');
});

test('given the real broker, it is open between start and close, and not before', async () => {
  const { broker } = createBroker();
  expect(broker.isOpen()).toBe(false);
  await broker.start(createSuiteGate(Date.now), new HeardMessages());
  expect(broker.isOpen()).toBe(true);
  await broker.close();
  expect(broker.isOpen()).toBe(false);
});
