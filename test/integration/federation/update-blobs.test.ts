import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Digest } from '../../../shared/core/ids.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { plant } from '../../support/store-nouns.ts';
import { nameOf, RoundScene } from '../bad-input/round-scene.ts';
import { reporting, updateOf } from '../bad-input/rounds.ts';

const address = { fleet: plant, device: nameOf(0) };
let scene: RoundScene;
let bytes: number;
beforeEach(async () => {
  scene = await RoundScene.open();
  const expected = await scene.updates.expectedBytes(address, scene.round);
  bytes = expected.ok ? expected.value : 0;
});
afterEach(() => scene.close());

async function upload(fill: number): Promise<Digest> {
  const update = new Uint8Array(bytes).fill(fill);
  const taken = await scene.updates.receiveUpdate(address, scene.round, update);
  if (!taken.ok) throw new Error(taken.error.code);
  return taken.value;
}

it('when a device brings another update before its report, the earlier one goes', async () => {
  const earlier = await upload(1);
  const later = await upload(2);
  expect(await scene.blobs.size(earlier)).toBeUndefined();
  expect(await scene.blobs.size(later)).toBe(bytes);
});

it('when an update equals a blob that was brought for a bundle, or that somebody holds, only the round forgets it', async () => {
  const [uploaded, held] = [3, 4].map((fill) => digestOf(new Uint8Array(bytes).fill(fill)));
  if (uploaded === undefined || held === undefined) throw new Error('two blobs');
  await scene.store.transaction(async (tx) => {
    const record = {
      digest: uploaded,
      sizeBytes: bytes,
      storedAtMs: 1,
      purpose: 'bundle',
    } as const;
    await tx.blobs.put(record);
    await tx.blobs.hold('bundle:bundles/filetype@1.0.0', [held]);
  });
  for (const fill of [3, 4, 5]) await upload(fill);
  expect(await scene.blobs.size(uploaded)).toBe(bytes);
  expect(await scene.blobs.size(held)).toBe(bytes);
});

const stateOf = (named: Digest) =>
  scene.store.read(async (view) => ({
    purpose: (await view.blobs.get(named))?.purpose,
    isHeld: await view.blobs.isHeld(named),
  }));

it('when an update is brought, it is recorded before its bytes are, and both go when another replaces it', async () => {
  const earlier = await upload(1);
  expect(await stateOf(earlier)).toEqual({ purpose: 'transient', isHeld: false });
  await upload(2);
  expect(await stateOf(earlier)).toEqual({ purpose: undefined, isHeld: false });
  const { store } = scene;
  const refused = Object.assign(scene.blobs, {
    put: () => Promise.reject(new Error('the power went')),
  });
  await expect(upload(3)).rejects.toThrow('the power went');
  const announced = digestOf(new Uint8Array(bytes).fill(3));
  expect(await refused.size(announced)).toBeUndefined();
  const old = await store.read((view) => view.blobs.listUnheld(Date.now() * 2, { limit: 9 }));
  expect(old.map(({ digest }) => digest)).toContain(announced);
});

it('when an update is counted, its round holds it, and when the round ends, it goes', async () => {
  const update = updateOf(scene, 1e-4);
  const named = digestOf(update);
  await scene.updates.receiveUpdate(address, scene.round, update);
  expect(await (await reporting(scene, 0))()).toBe('ok');
  expect(await stateOf(named)).toEqual({ purpose: 'transient', isHeld: true });
  const given = await scene.desk.abandon(plant, { round: scene.round, actor: 'ada' });
  expect(given.ok).toBe(true);
  await scene.desk.turn(plant);
  expect(await stateOf(named)).toEqual({ purpose: undefined, isHeld: false });
  expect(await scene.blobs.size(named)).toBeUndefined();
});
