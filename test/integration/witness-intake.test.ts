import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMemoryStore, type SqlStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import type { AuditRow } from '../../fleet-server/core/model/audit-row.ts';
import { appendAudit } from '../../fleet-server/runner/append-audit.ts';
import { HeadSigner } from '../../fleet-server/runner/head-signer.ts';
import { WitnessIntake } from '../../fleet-server/runner/witness-intake.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { hexOf } from '../../shared/core/bytes.ts';
import { RecordingLog } from '../../sim/world/recording-log.ts';
import { seededSigner } from '../../sim/world/seeded-keys.ts';
import { SimClock, WorldTime } from '../../sim/world/sim-clock.ts';
import { device, plant } from '../support/store-nouns.ts';

const d1 = device('d1');
const heads = new HeadSigner(seededSigner('audit'));
let store: SqlStore;
let log: RecordingLog;
let last: AuditRow;
beforeEach(async () => {
  log = new RecordingLog();
  store = openMemoryStore().store;
  await store.transaction(async (tx) => {
    await tx.fleets.insert({ fleet: plant, title: 'Plant', createdAtMs: 0 });
    await tx.devices.insert(d1);
  });
  await append('one');
  last = await append('two');
});
afterEach(() => store.close());

const append = (subject: string, actor = 'ada') =>
  store.transaction((tx) =>
    appendAudit(tx, { fleet: plant, atMs: 1, actor, action: 'looked', subject, details: {} }),
  );

const openIntake = (auditKeys = [hexOf(heads.publicKey)]) =>
  new WitnessIntake({
    ...{ clock: new SimClock(new WorldTime(), 'server'), log },
    auditKeys: () => auditKeys,
  });

/** What a report does with the head it brings. Returns the events that came of it. */
async function hear(intake: WitnessIntake, signedHead: string | undefined) {
  return store.transaction(async (tx) => {
    const head = intake.open(d1, signedHead);
    if (head !== undefined) {
      await intake.keep(tx, d1, head);
      intake.settle(head);
    }
    return (await tx.events.list(plant, { limit: 9 })).map(({ kind, subject, content }) => {
      return { kind, subject, content };
    });
  });
}

const witnesses = () => store.read((view) => view.audit.listWitnesses({ limit: 9 }));

test('when a device returns a head of the chain as it is, it is a witness and nothing is said', async () => {
  const signedHead = await heads.sign(last);
  expect(await hear(openIntake(), signedHead)).toEqual([]);
  expect(await witnesses()).toMatchObject([{ size: 2, hash: last.hash, signedHead, devices: 1 }]);
});

test('when nobody signed a head for audits, it is no witness, and that is said once a minute', async () => {
  const intake = openIntake();
  const forged = await new HeadSigner(seededSigner('thief')).sign(last);
  for (const head of [forged, 'no envelope', undefined, forged]) await hear(intake, head);
  expect(await witnesses()).toEqual([]);
  expect(log.entries.map(({ fields }) => fields['code'])).toEqual(['unknown-key']);
});

test('when the audit key was rotated, heads of the key that is still listed stay witnesses', async () => {
  const { publicKey } = seededSigner('new audit');
  await hear(openIntake([hexOf(publicKey)]), await heads.sign(last));
  expect(await witnesses()).toEqual([]);
  await hear(openIntake([hexOf(publicKey), hexOf(heads.publicKey)]), await heads.sign(last));
  expect(await witnesses()).toHaveLength(1);
});

test('when a device returns a head that the chain no longer has, people are told once per start', async () => {
  const forked = await heads.sign({ ...last, hash: 'f'.repeat(64) });
  const longer = await heads.sign({ ...last, number: 7 });
  const told = (code: string, size: number) => ({
    ...{ kind: 'audit-witness-disagrees', subject: 'd1', content: { code, size } },
  });
  const intake = openIntake();
  await hear(intake, forked);
  expect(await hear(intake, forked)).toEqual([told('audit-forked', 2)]);
  const both = [told('audit-forked', 2), told('audit-cut', 7)];
  expect(await hear(intake, longer)).toEqual(both);
  expect(await hear(openIntake(), longer)).toEqual([...both, told('audit-cut', 7)]);
});

test('when more heads come back than are remembered, each is still checked and kept', async () => {
  const intake = openIntake();
  for (let number = 3; number <= limits.signedHeadsKept + 5; number += 1) {
    await hear(intake, await heads.sign(await append(`${number}`)));
  }
  const [newest] = await witnesses();
  expect(newest?.size).toBe(limits.signedHeadsKept + 5);
  expect(await hear(intake, await heads.sign(last))).toEqual([]);
});

test('when many reports return one head, its signature is checked once', async () => {
  let checks = 0;
  const intake = new WitnessIntake({
    ...{ clock: new SimClock(new WorldTime(), 'server'), log },
    auditKeys: () => {
      checks += 1;
      return [hexOf(heads.publicKey)];
    },
  });
  for (let report = 0; report < 5; report += 1) await hear(intake, await heads.sign(last));
  expect(checks).toBe(1);
  await hear(intake, await heads.sign(await append('three')));
  expect(checks).toBe(2);
});
