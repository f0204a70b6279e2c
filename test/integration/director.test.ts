import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMemoryStore, type SqlStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import { auditHeadOf } from '../../fleet-server/core/audit/audit-chain.ts';
import { appendAudit } from '../../fleet-server/runner/append-audit.ts';
import { Director } from '../../fleet-server/runner/director.ts';
import { HeadSigner } from '../../fleet-server/runner/head-signer.ts';
import type { DesiredState } from '../../shared/contracts/desired.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { bytesOfBase64, textOf, utf8 } from '../../shared/core/bytes.ts';
import type { BootId, Digest } from '../../shared/core/ids.ts';
import { createPrng } from '../../shared/core/prng.ts';
import type { Signer } from '../../shared/ports/signer.ts';
import { readEnvelope, verifyEnvelope } from '../../shared/trust/dsse.ts';
import { openVerifyingKey } from '../../shared/trust/ed25519.ts';
import { seededSigner } from '../../sim/world/seeded-keys.ts';
import { SimBroker } from '../../sim/world/sim-broker.ts';
import { SimClock, WorldTime } from '../../sim/world/sim-clock.ts';
import { SimRandom } from '../../sim/world/sim-random.ts';
import { device, deviceApp, deviceId, digest, plant, targetPath } from '../support/store-nouns.ts';

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

/** Counts what it signs. */
function counted(signer: Signer): { readonly signer: Signer; readonly signed: () => number } {
  let signed = 0;
  const sign = (bytes: Uint8Array) => {
    signed += 1;
    return signer.sign(bytes);
  };
  return { signer: { ...signer, sign }, signed: () => signed };
}

const appended = (subject: string) =>
  store.transaction((tx) =>
    appendAudit(tx, {
      fleet: plant,
      atMs: 1,
      actor: 'ada',
      action: 'looked',
      subject,
      details: {},
    }),
  );

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

function directorWith(
  signer: Signer,
  auditSigner = seededSigner('audit'),
  revoked: readonly Digest[] = [],
): Director {
  const clock = new SimClock(new WorldTime(), 'server');
  return new Director({
    ...{ store, clock, signer, directorVersion: 1, orderLifeMs: 1_000 },
    revoked: () => new Set(revoked),
    heads: new HeadSigner(auditSigner),
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

test('when many orders are signed over one audit chain, its head is signed once, and again after the next row', async () => {
  const others = ['d2', 'd3'].map(deviceId);
  await store.transaction(async (tx) => {
    for (const other of others) await tx.devices.insert(device(other, { issuedGeneration: 1 }));
  });
  const { signer, signed } = counted(seededSigner('audit'));
  const director = directorWith(seededSigner('director'), signer);
  await director.serve(plant, others);
  expect(signed()).toBe(0);
  const row = await appended('one');
  await store.transaction((tx) => tx.devices.update(plant, others[0]!, { issuedGeneration: 2 }));
  await director.serve(plant, [id, ...others]);
  expect(signed()).toBe(1);
  const key = openVerifyingKey(signer.publicKey);
  const { signedHead = '' } = await stored();
  const keys = { role: 'audit', keys: key === undefined ? [] : [key], threshold: 1 } as const;
  const head = verifyEnvelope('auditHead', keys, utf8(signedHead));
  expect(head.ok ? JSON.parse(textOf(head.value) ?? '') : head).toEqual(auditHeadOf(row));
  await appended('two');
  await store.transaction((tx) => tx.devices.update(plant, id, { issuedGeneration: 9 }));
  await director.serve(plant, [id, ...others]);
  expect(signed()).toBe(2);
});

test('when more is revoked than an order can carry, it names what the device holds, and the cut is an event', async () => {
  const blob = digest('f');
  await store.transaction((tx) =>
    tx.bundles.insert({
      ...{ fleet: plant, path: targetPath('1.0.0'), name: 'filetype', version: '1.0.0' },
      ...{
        digest: digest('1'),
        status: 'live',
        blobs: [blob],
        publishedAtMs: 0,
        statusSinceMs: 0,
        contentReleasedAtMs: null,
        minAgent: null,
      },
    }),
  );
  const number = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}` as Digest;
  const listed = Array.from({ length: limits.revokedPerOrderMax + 9 }, (_, n) => number(n));
  // In any order of names these three are the last of the list.
  const held = [digest('9'), blob, digest('1')];
  const director = directorWith(seededSigner('director'), undefined, [...listed, ...held]);
  await director.serve(plant, [id]);
  const { revoked } = await stored();
  expect(revoked).toHaveLength(limits.revokedPerOrderMax);
  expect(held.filter((one) => !revoked.includes(one))).toEqual([]);
  await store.transaction((tx) => tx.devices.update(plant, id, { issuedGeneration: 9 }));
  await director.serve(plant, [id]);
  const events = await store.read((view) => view.events.list(plant, { limit: 9 }));
  expect(events).toMatchObject([
    { kind: 'revocations-cut', subject: 'd1', content: { listed: listed.length + 3, left: 12 } },
  ]);
});
