import { describe, expect, test } from 'vitest';
import { auditHeadOf } from '../../fleet-server/core/audit/audit-chain.ts';
import type { BlobPurpose, Bundle } from '../../fleet-server/core/model/bundle.ts';
import { appendAudit } from '../../fleet-server/runner/append-audit.ts';
import { verifyAudit } from '../../fleet-server/runner/verify-audit.ts';
import { device, deviceId, digest, harbour, plant, targetPath } from '../support/store-nouns.ts';
import { type OpenStore, withStore } from './store.suite.ts';

const bundle = (version: string, change: Partial<Bundle> = {}): Bundle => ({
  fleet: plant,
  path: targetPath(version),
  name: 'filetype',
  version,
  digest: digest(version.charAt(0)),
  status: 'live',
  blobs: [digest('a'), digest('b')],
  publishedAtMs: 5,
  statusSinceMs: 0,
  contentReleasedAtMs: null,
  minAgent: '0.1.0',
  ...change,
});

export function storeRegistrySuite(name: string, open: OpenStore): void {
  describe(`Store, registry and records: ${name}`, () => {
    test('when a bundle belongs to one fleet, another sees neither it nor its blobs', () =>
      withStore(open, async (store) => {
        await store.transaction(async (tx) => {
          await tx.bundles.insert(bundle('1.0.0'));
          await tx.bundles.insert(bundle('2.0.0', { fleet: '*', blobs: [digest('c')] }));
          expect(await tx.bundles.get(plant, targetPath('1.0.0'))).toEqual(bundle('1.0.0'));
          expect(await tx.bundles.get(harbour, targetPath('1.0.0'))).toBeNull();
          expect(await tx.bundles.find(harbour, digest('1'))).toBeNull();
          expect((await tx.bundles.find(harbour, digest('2')))?.version).toBe('2.0.0');
          const asked = [digest('1'), digest('2'), digest('9')];
          expect(await tx.bundles.listMinAgents(plant, asked)).toEqual(
            new Map([
              [digest('1'), '0.1.0'],
              [digest('2'), '0.1.0'],
            ]),
          );
          expect([...(await tx.bundles.listMinAgents(harbour, asked)).keys()]).toEqual([
            digest('2'),
          ]);
          expect(await tx.bundles.namesBlob(plant, digest('a'))).toBe(true);
          expect(await tx.bundles.namesBlob(harbour, digest('a'))).toBe(false);
          expect(await tx.bundles.namesBlob(harbour, digest('c'))).toBe(true);
          const listed = await tx.bundles.list(plant, { name: 'filetype', page: { limit: 9 } });
          expect(listed.map(({ version }) => version)).toEqual(['1.0.0', '2.0.0']);
          expect(
            await tx.bundles.setStatus('*', targetPath('2.0.0'), { status: 'revoked', nowMs: 8 }),
          ).toBe(true);
          expect((await tx.bundles.find(plant, digest('2')))?.status).toBe('revoked');
        });
      }));

    test('when no fleet has had a path live for long, it is retired; let go, its readers find no blob', () =>
      withStore(open, async (store) => {
        const [old, half, young, live] = ['1.0.0', '2.0.0', '3.0.0', '4.0.0'].map(targetPath);
        if (old === undefined || half === undefined || young === undefined || live === undefined) {
          throw new Error('four paths');
        }
        const retire = { status: 'deprecated' as const, nowMs: 100 };
        await store.transaction(async (tx) => {
          // Not a fleet that the store knows: its row counts all the same.
          const ghost = { fleet: 'ghost' as typeof plant };
          await tx.bundles.insert(bundle('1.0.0'));
          await tx.bundles.insert(bundle('1.0.0', { ...ghost, blobs: [digest('a')] }));
          await tx.bundles.insert(bundle('2.0.0', { blobs: [digest('b')] }));
          await tx.bundles.insert(bundle('2.0.0', { ...ghost, blobs: [digest('b')] }));
          await tx.bundles.insert(bundle('3.0.0', { fleet: '*', blobs: [digest('c')] }));
          await tx.bundles.insert(bundle('4.0.0', { blobs: [digest('d')] }));
          await tx.bundles.setStatus(plant, old, retire);
          await tx.bundles.setStatus(ghost.fleet, old, { status: 'revoked', nowMs: 90 });
          await tx.bundles.setStatus(plant, half, retire);
          await tx.bundles.setStatus('*', young, { ...retire, nowMs: 101 });
          expect(await tx.bundles.listRetired(100, { limit: 9 })).toEqual([old]);
          expect(await tx.bundles.listRetired(99, { limit: 9 })).toEqual([]);
          expect(await tx.bundles.listRetired(101, { limit: 9 })).toEqual([old, young]);
          expect(await tx.bundles.listRetired(101, { limit: 9, after: old })).toEqual([young]);
          expect(await tx.bundles.listRetired(101, { limit: 1 })).toEqual([old]);
          const rows = await tx.bundles.listRows(old);
          expect(
            rows.map(({ fleet, status, statusSinceMs }) => [fleet, status, statusSinceMs]),
          ).toEqual([
            ['ghost', 'revoked', 90],
            [plant, 'deprecated', 100],
          ]);
          await tx.bundles.setContentReleased(old, 200);
          expect(await tx.bundles.listRetired(101, { limit: 9 })).toEqual([young]);
          expect(await tx.bundles.listReleased([live, old, young])).toEqual([old]);
          expect(await tx.bundles.listReleased([])).toEqual([]);
          expect((await tx.bundles.get(plant, old))?.contentReleasedAtMs).toBe(200);
          expect(await tx.bundles.namesBlob(plant, digest('a'))).toBe(false);
          // Shared with a bundle that is kept.
          expect(await tx.bundles.namesBlob(plant, digest('b'))).toBe(true);
          await tx.bundles.setContentReleased(old, null);
          expect(await tx.bundles.listReleased([old])).toEqual([]);
          expect(await tx.bundles.namesBlob(plant, digest('a'))).toBe(true);
        });
      }));

    test('when metadata is put, its bytes are served as they came', () =>
      withStore(open, async (store) => {
        const file = { name: 'timestamp.json', bytes: Uint8Array.of(123, 10, 125), storedAtMs: 1 };
        await store.transaction(async (tx) => {
          await tx.tufFiles.put({ ...file, bytes: Uint8Array.of(1) });
          await tx.tufFiles.put(file);
          await tx.tufFiles.put({ ...file, name: '1.root.json' });
          expect(await tx.tufFiles.get('timestamp.json')).toEqual(file);
          expect(await tx.tufFiles.get('2.root.json')).toBeNull();
          expect(await tx.tufFiles.listNames()).toEqual(['1.root.json', 'timestamp.json']);
        });
      }));

    test('when nothing holds an old blob any more, it is garbage', () =>
      withStore(open, async (store) => {
        const blob = (digit: string, storedAtMs: number) => ({
          purpose: 'bundle' as const,
          digest: digest(digit),
          sizeBytes: 3,
          storedAtMs,
        });
        await store.transaction(async (tx) => {
          for (const one of [blob('b', 1), blob('a', 1), blob('c', 9)]) await tx.blobs.put(one);
          await tx.blobs.put(blob('a', 7));
          await tx.blobs.put(blob('a', 2));
          expect(await tx.blobs.get(digest('a'))).toEqual(blob('a', 7));
          await tx.blobs.hold('bundles/filetype@1.0.0', [digest('a'), digest('a')]);
          expect(await tx.blobs.isHeld(digest('a'))).toBe(true);
          expect(await tx.blobs.listUnheld(9, { limit: 9 })).toEqual([blob('b', 1)]);
          await tx.blobs.hold('bundles/filetype@1.0.0', [digest('b')]);
          expect(await tx.blobs.listUnheld(9, { limit: 9 })).toEqual([blob('a', 7)]);
          await tx.blobs.release('bundles/filetype@1.0.0');
          const rest = await tx.blobs.listUnheld(99, { limit: 9, after: digest('a') });
          expect(rest).toEqual([blob('b', 1), blob('c', 9)]);
          await tx.blobs.hold('round:1', [digest('b')]);
          for (const more of ['c', 'c']) await tx.blobs.holdMore('round:1', digest(more));
          const held = async (...digits: readonly string[]) =>
            Promise.all(digits.map((digit) => tx.blobs.isHeld(digest(digit))));
          expect(await held('a', 'b', 'c')).toEqual([false, true, true]);
          await tx.blobs.release('round:1');
          expect(await held('a', 'b', 'c')).toEqual([false, false, false]);
          expect(await tx.blobs.remove(digest('a'))).toBe(true);
          expect(await tx.blobs.get(digest('a'))).toBeNull();
        });
      }));

    test('when a blob is brought for a round and for a bundle, it is a bundle’s, in whatever order', () =>
      withStore(open, async (store) => {
        const blob = (digit: string, purpose: BlobPurpose) => ({
          ...{ digest: digest(digit), sizeBytes: 3, storedAtMs: 1, purpose },
        });
        await store.transaction(async (tx) => {
          for (const purpose of ['round', 'bundle'] as const)
            await tx.blobs.put(blob('a', purpose));
          for (const purpose of ['bundle', 'round'] as const)
            await tx.blobs.put(blob('b', purpose));
          await tx.blobs.put({ ...blob('c', 'transient'), sizeBytes: 0 });
          await tx.blobs.put(blob('c', 'round'));
          await tx.blobs.put({ ...blob('c', 'transient'), sizeBytes: 0 });
          expect(await tx.blobs.get(digest('c'))).toEqual(blob('c', 'round'));
          const purposes = [];
          for (const digit of ['a', 'b', 'c']) {
            purposes.push((await tx.blobs.get(digest(digit)))?.purpose);
          }
          expect(purposes).toEqual(['bundle', 'bundle', 'round']);
        });
      }));

    test('when events are removed, ids go on rising and a fleet sees its own only', () =>
      withStore(open, async (store) => {
        const draft = { atMs: 1, kind: 'device-online', subject: 'd1', content: { a: [1] } };
        await store.transaction(async (tx) => {
          expect(await tx.events.range(plant)).toBeNull();
          const first = await tx.events.append(plant, draft);
          await tx.events.append(harbour, draft);
          const third = await tx.events.append(plant, draft);
          expect(await tx.events.list(plant, { after: first, limit: 9 })).toEqual([
            { id: third, fleet: plant, ...draft },
          ]);
          expect(await tx.events.removeOldest(plant, 1)).toBe(1);
          expect(await tx.events.range(plant)).toEqual({ oldest: third, newest: third });
          expect(await tx.events.removeOldest(plant, 0)).toBe(1);
          expect(await tx.events.append(plant, draft)).toBeGreaterThan(third);
        });
      }));

    test('when devices return heads, each device keeps its largest and each head is listed once', () =>
      withStore(open, async (store) => {
        const head = (size: number, hash: string) => ({
          ...{ size, hash: hash.repeat(64), atMs: size, signedHead: `${size} ${hash}` },
        });
        const by = (name: string, fleet = plant) => ({ fleet, device: deviceId(name) });
        await store.transaction(async (tx) => {
          const known = [device('d1'), device('d2'), device('d1', { fleet: harbour })];
          for (const one of known) await tx.devices.insert(one);
          await tx.audit.putWitness({ ...by('d2'), ...head(4, 'b') });
          await tx.audit.putWitness({ ...by('d1'), ...head(4, 'b') });
          await tx.audit.putWitness({ ...by('d1'), ...head(4, 'c') });
          await tx.audit.putWitness({ ...by('d1'), ...head(3, 'a') });
          await tx.audit.putWitness({ ...by('d1', harbour), ...head(3, 'a') });
          const first = { ...by('d1', harbour), ...head(3, 'a'), devices: 1 };
          const second = { ...by('d1'), ...head(4, 'b'), devices: 2 };
          expect(await tx.audit.listWitnesses({ limit: 9 })).toEqual([first, second]);
          await tx.audit.putWitness({ ...by('d1', harbour), ...head(4, 'a') });
          const forked = { ...first, ...head(4, 'a') };
          expect(await tx.audit.listWitnesses({ limit: 9 })).toEqual([forked, second]);
          expect(await tx.audit.listWitnesses({ limit: 1, after: forked })).toEqual([second]);
          expect(await tx.audit.listWitnesses({ limit: 9, after: second })).toEqual([]);
        });
      }));

    test('when an effect fails, its audit row is not there either, and the chain holds', () =>
      withStore(open, async (store) => {
        const draft = (subject: string) => ({
          fleet: plant,
          atMs: 3,
          actor: 'ada',
          action: 'device-accepted',
          subject,
          details: { from: 'pending', note: 'å' },
        });
        const first = await store.transaction((tx) => appendAudit(tx, draft('d1')));
        const failing = store.transaction(async (tx) => {
          await appendAudit(tx, draft('d2'));
          throw new Error('the effect failed');
        });
        await expect(failing).rejects.toThrow('the effect failed');
        const rows = await Promise.all(
          ['d3', 'd4', 'd5'].map((id) => store.transaction((tx) => appendAudit(tx, draft(id)))),
        );
        expect(rows.map(({ number }) => number)).toEqual([2, 3, 4]);
        const heads = [first, ...rows].flatMap((row) => auditHeadOf(row) ?? []);
        const verified = await verifyAudit(store, heads);
        expect(verified).toEqual({ ok: true, value: { head: heads[3], devices: 0 } });
        const seen = await store.read((view) => view.audit.list(plant, { limit: 9 }));
        expect(seen.map(({ subject }) => subject)).toEqual(['d1', 'd3', 'd4', 'd5']);
        expect(await store.read((view) => view.audit.list(harbour, { limit: 9 }))).toEqual([]);
      }));
  });
}
