import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMemoryStore, type SqlStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import { Director } from '../../fleet-server/runner/director.ts';
import type { DesiredState } from '../../shared/contracts/desired.ts';
import { bytesOfBase64, textOf } from '../../shared/core/bytes.ts';
import type { BootId } from '../../shared/core/ids.ts';
import { createPrng } from '../../shared/core/prng.ts';
import type { Signer } from '../../shared/ports/signer.ts';
import { readEnvelope } from '../../shared/trust/dsse.ts';
import { seededSigner } from '../../sim/world/seeded-keys.ts';
import { SimBroker } from '../../sim/world/sim-broker.ts';
import { SimClock, WorldTime } from '../../sim/world/sim-clock.ts';
import { SimRandom } from '../../sim/world/sim-random.ts';
import { device, deviceApp, deviceId, digest, plant } from '../support/store-nouns.ts';

const id = deviceId('d1');
let store: SqlStore;
beforeEach(async () => {
  store = openMemoryStore().store;
  await store.transaction(async (tx) => {
    await tx.fleets.insert({ fleet: plant, title: 'Plant', createdAtMs: 0 });
    await tx.devices.insert(device('d1', { issuedGeneration: 5 }));
    await tx.deviceApps.put(deviceApp('d1', { desired: wanted('1') }));
  });
});
afterEach(() => store.close());

const wanted = (digit: string) => {
  const { desired } = deviceApp('d1');
  if (desired === null) throw new Error('the sample wants something');
  return { ...desired, digest: digest(digit) };
};

/** Somebody orders something else while the first envelope is being signed. */
function interrupted(signer: Signer, between: () => Promise<void>): Signer {
  let isFirst = true;
  return {
    keyId: signer.keyId,
    publicKey: signer.publicKey,
    sign: async (bytes) => {
      if (isFirst) {
        isFirst = false;
        await between();
      }
      return signer.sign(bytes);
    },
  };
}

function directorWith(signer: Signer): Director {
  const clock = new SimClock(new WorldTime(), 'server');
  return new Director({
    ...{ store, clock, signer, directorVersion: 1, orderLifeMs: 1_000, revoked: () => [] },
    random: new SimRandom('director'),
    broker: new SimBroker({ clock, prng: createPrng('director') }),
    boot: '0'.repeat(32) as BootId,
  });
}

const stored = async () => {
  const envelope = await store.read((view) => view.desiredEnvelopes.get(plant, id));
  const read = readEnvelope(envelope?.envelope ?? new Uint8Array());
  const payload = read.ok ? bytesOfBase64(read.value.payload) : undefined;
  return JSON.parse(textOf(payload ?? new Uint8Array()) ?? '{}') as DesiredState;
};

test('when an order comes while an older one is signed, the newer one is what stands and is numbered', async () => {
  const signer = interrupted(seededSigner('director'), () =>
    store.transaction(async (tx) => {
      await tx.devices.update(plant, id, { issuedGeneration: 6 });
      await tx.deviceApps.put(deviceApp('d1', { desired: wanted('2') }));
    }),
  );
  await directorWith(signer).serve(plant, [id]);
  const { generation, apps } = await stored();
  expect(generation).toBe(6);
  expect(apps.map((app) => app.digest)).toEqual([digest('2')]);
  const known = await store.read((view) => view.devices.get(plant, id));
  expect(known?.issuedGeneration).toBe(6);
});

test('when a device was restored and has not reported, nothing is signed for it', async () => {
  await store.transaction((tx) => tx.devices.update(plant, id, { needsReport: true }));
  await directorWith(seededSigner('director')).serve(plant, [id]);
  expect(await store.read((view) => view.desiredEnvelopes.get(plant, id))).toBeNull();
});
