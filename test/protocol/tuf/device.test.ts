import { expect, test } from 'vitest';
import { limits } from '../../../shared/contracts/limits.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import { createPrng } from '../../../shared/core/prng.ts';
import type { Fetcher } from '../../../shared/ports/fetcher.ts';
import { createMetadataSource } from '../../../shared/trust/tuf/metadata-source.ts';
import { MemoryDisk, PowerCut } from '../../../sim/world/memory-disk.ts';
import { sourceOf, TufDevice } from '../../support/tuf-device.ts';
import { day0Ms, dayMs, TufRepository } from '../../support/tuf-repository.ts';

const codeOf = (result: { ok: boolean; error?: { code: string } }): string =>
  result.ok ? 'ok' : (result.error?.code ?? '');

test('given 14 months offline over three root rotations, the device walks them and converges', async () => {
  const repo = new TufRepository();
  const device = new TufDevice(repo);
  expect(codeOf(await device.refresh())).toBe('ok');
  for (let rotation = 1; rotation <= 3; rotation += 1) {
    const old = [...repo.root.signers.values()];
    repo.rotateKeys('root');
    repo.rotateKeys('timestamp');
    repo.rotateKeys('snapshot');
    const later = day0Ms + rotation * 140 * dayMs;
    for (const role of ['root', 'timestamp', 'snapshot', 'targets']) {
      repo.draftOf(role).expiresAtMs = later + 30 * dayMs;
    }
    for (const signer of old) repo.root.signers.set(signer.key.keyId, signer);
    repo.publish('root', 'targets', 'snapshot', 'timestamp');
    for (const signer of old) repo.root.signers.delete(signer.key.keyId);
  }
  const refreshed = await device.refresh(day0Ms + 425 * dayMs);
  expect(codeOf(refreshed)).toBe('ok');
  expect(refreshed.ok && refreshed.value.root.version).toBe(4);
  expect(refreshed.ok && refreshed.value.freshness).toBe('proven');
});

test('given a clock at 1970, what was expired long ago still passes, but freshness is unproven', async () => {
  const device = new TufDevice(new TufRepository());
  const refreshed = await device.client().refresh({ kind: 'at-least', nowMs: 0 });
  expect(refreshed.ok && refreshed.value.freshness).toBe('unproven');
  expect(codeOf(await device.refresh())).toBe('ok');
});

test('given a time in 2106, everything is expired, and the right time later still converges', async () => {
  const repo = new TufRepository();
  const device = new TufDevice(repo);
  const in2106 = Date.UTC(2106, 1, 7, 6, 28, 15);
  expect(codeOf(await device.refresh(in2106))).toBe('tuf-expired-root');
  expect(codeOf(await device.refresh())).toBe('ok');
  repo.publish('targets', 'snapshot', 'timestamp');
  expect(codeOf(await device.refresh(in2106))).toBe('tuf-expired-root');
  const refreshed = await device.refresh();
  expect(refreshed.ok && refreshed.value.targets.version).toBe(2);
});

test('given only a lower bound of the time, what it shows as expired is refused', async () => {
  const repo = new TufRepository();
  const device = new TufDevice(repo);
  const nowMs = repo.timestamp.expiresAtMs + 1;
  repo.root.expiresAtMs = nowMs + dayMs;
  repo.publish('root');
  const late = await device.client().refresh({ kind: 'at-least', nowMs });
  expect(codeOf(late)).toBe('tuf-expired-timestamp');
});

test('given verified metadata, its expiries are at hand to warn early', async () => {
  const repo = new TufRepository();
  const refreshed = await new TufDevice(repo).refresh();
  expect(refreshed.ok && [...refreshed.value.expiresAtMs]).toEqual(
    ['root', 'timestamp', 'snapshot', 'targets'].map((role) => [role, day0Ms + 30 * dayMs]),
  );
});

test('given no network at boot, the trusted targets are readable whatever the time', async () => {
  const repo = new TufRepository();
  repo.addArtifact('targets', 'revoked.json', '[]');
  repo.publish('targets', 'snapshot', 'timestamp');
  const device = new TufDevice(repo);
  expect(codeOf(await device.client().readLocal())).toBe('tuf-missing-metadata');
  await device.refresh();
  const asked = repo.requests.length;
  const local = await device.client().readLocal();
  expect(local.ok && local.value.targets.targets.has('revoked.json')).toBe(true);
  expect(repo.requests).toHaveLength(asked);
});

test.each(['root', 'timestamp', 'snapshot', 'targets'])(
  'given a torn local %s, the next refresh heals it and no version goes back',
  async (role) => {
    const repo = new TufRepository();
    repo.publish('root', 'targets', 'snapshot', 'timestamp');
    const device = new TufDevice(repo);
    await device.refresh();
    const path = `tuf/${role}.json`;
    const whole = await device.disk.read(path, { bytesMax: 1e6 });
    for (const torn of [whole?.slice(0, 100), new Uint8Array(), new Uint8Array(4096)]) {
      await device.disk.replace(path, torn ?? new Uint8Array());
      const refreshed = await device.refresh();
      expect(codeOf(refreshed)).toBe('ok');
      expect(refreshed.ok && refreshed.value.root.version).toBe(2);
      if (role !== 'root') expect(await device.disk.read(path, { bytesMax: 1e6 })).toEqual(whole);
    }
  },
);

test('given a torn root, the copy beside it saves walking from the pinned one', async () => {
  const repo = new TufRepository();
  repo.publish('root', 'root', 'root');
  const device = new TufDevice(repo);
  await device.refresh();
  await device.disk.replace('tuf/root.json', new Uint8Array(10));
  repo.requests.length = 0;
  expect(codeOf(await device.refresh())).toBe('ok');
  expect(repo.requests[0]).toBe('root 5');
  for (const name of await device.disk.list('tuf/root_history')) {
    await device.disk.replace(`tuf/root_history/${name}`, new Uint8Array(10));
  }
  repo.requests.length = 0;
  expect(codeOf(await device.refresh())).toBe('ok');
  expect(repo.requests.slice(0, 2)).toEqual(['root 2', 'root 3']);
});

test('given a device image with a newer root than the disk, the image counts, and never an older one', async () => {
  const repo = new TufRepository();
  repo.publish('root');
  const disk = new MemoryDisk();
  await new TufDevice(repo, { disk }).refresh();
  const firstAsked = async (rootVersion: number): Promise<string | undefined> => {
    repo.requests.length = 0;
    expect(codeOf(await new TufDevice(repo, { disk, rootVersion }).refresh())).toBe('ok');
    return repo.requests[0];
  };
  expect(await firstAsked(1)).toBe('root 3');
  repo.publish('root', 'root');
  expect(await firstAsked(4)).toBe('root 5');
  expect(await firstAsked(1)).toBe('root 3');
  expect(await firstAsked(1)).toBe('root 5');
});

test('given neither a stored nor a pinned root, nothing is asked of the network', async () => {
  const repo = new TufRepository();
  repo.published.set('root', []);
  const device = new TufDevice(repo);
  expect(codeOf(await device.refresh())).toBe('tuf-no-root');
  expect(repo.requests).toEqual([]);
});

test('given a power cut at each step of a refresh, the next one converges', async () => {
  const repo = new TufRepository();
  repo.listsHashes = true;
  repo.publish('root', 'targets', 'snapshot', 'timestamp');
  const counting = new TufDevice(repo);
  await counting.refresh();
  const steps = counting.disk.steps;
  expect(steps).toBeGreaterThan(10);
  for (let step = 1; step <= steps; step += 1) {
    const device = new TufDevice(repo);
    device.disk.faults.powerCutAtStep = step;
    await expect(device.refresh()).rejects.toBeInstanceOf(PowerCut);
    device.disk.powerCut(createPrng(`cut ${step}`));
    const refreshed = await device.refresh();
    expect(refreshed.ok && refreshed.value.targets.version).toBe(2);
  }
});

test('given more rotations than one refresh may walk, the next goes on where it stopped', async () => {
  const repo = new TufRepository();
  for (let i = 0; i < limits.tufRootRotationsMax; i += 1) repo.publish('root');
  const device = new TufDevice(repo);
  expect(codeOf(await device.refresh())).toBe('tuf-too-many-roots');
  const refreshed = await device.refresh();
  expect(refreshed.ok && refreshed.value.root.version).toBe(limits.tufRootRotationsMax + 1);
  expect(await device.disk.list('tuf/root_history')).toHaveLength(limits.tufRootHistoryMax);
});

test('given roles without end from one delegated key, the disk keeps a bounded number', async () => {
  const repo = new TufRepository();
  const device = new TufDevice(repo);
  const many = limits.tufDelegationsMax + 8;
  for (let i = 0; i < many; i += 1) {
    repo.addDelegation('targets', { name: `r${i}`, paths: [`p${i}/*`] });
    repo.addArtifact(`r${i}`, `p${i}/file`, 'content');
    repo.publish(`r${i}`);
  }
  repo.publish('targets', 'snapshot', 'timestamp');
  const refreshed = await device.refresh();
  for (let i = 0; i < many; i += 1) {
    const found = refreshed.ok ? await refreshed.value.lookup(`p${i}/file`) : undefined;
    expect(found?.ok).toBe(true);
  }
  const kept = (await device.disk.list('tuf')).filter(
    (name) => name.startsWith('r') && name !== 'root.json',
  );
  expect(kept.filter((name) => name.endsWith('.json'))).toHaveLength(limits.tufDelegationsMax);
  expect(codeOf(await device.refresh())).toBe('ok');
});

test('given a target in another role than the device expects, the role confusion is refused', async () => {
  const repo = new TufRepository();
  const role = 'federated-geese';
  repo.addDelegation('targets', { name: role, paths: ['federated/geese/*'], terminating: true });
  repo.addArtifact(role, 'federated/geese/wing@1.0.1', 'candidate');
  repo.addArtifact(role, 'bundles/wing@1.0.0', 'not for this role to sign');
  repo.addArtifact('targets', 'federated/geese/wing@1.0.2', 'planted at the top');
  repo.publish(role, 'targets', 'snapshot', 'timestamp');
  const refreshed = await new TufDevice(repo).refresh();
  if (!refreshed.ok) throw new Error(refreshed.error.message);
  const lookup = async (path: string, expectedRole: string): Promise<string> =>
    codeOf(await refreshed.value.lookup(path, { expectedRole }));
  expect(await lookup('federated/geese/wing@1.0.1', role)).toBe('ok');
  expect(await lookup('federated/geese/wing@1.0.1', 'targets')).toBe('tuf-unexpected-role');
  expect(await lookup('federated/geese/wing@1.0.2', role)).toBe('tuf-unexpected-role');
  expect(await lookup('bundles/wing@1.0.0', 'targets')).toBe('tuf-target-not-found');
  expect(await lookup('federated/geese/deeper/wing@1.0.1', role)).toBe('tuf-target-not-found');
  const found = await refreshed.value.lookup('federated/geese/wing@1.0.1');
  expect(found.ok && found.value.role).toBe(role);
});

/** Serves through the Fetcher port, so that the bounds on the way are the real ones. */
function fetcherOf(
  serve: (path: string) => { readonly status: number; readonly body: AsyncIterable<Uint8Array> },
): Fetcher {
  return { fetch: ({ path }) => Promise.resolve({ ...serve(path), cancel: () => undefined }) };
}

async function* pieces(...parts: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  for (const part of parts) yield await Promise.resolve(part);
}

async function* endless(sent: { bytes: number }): AsyncIterable<Uint8Array> {
  for (;;) {
    sent.bytes += 1024;
    yield await Promise.resolve(new Uint8Array(1024));
  }
}

test.each([
  ['2.root.json', limits.tufRootBytesMax],
  ['timestamp.json', limits.tufTimestampBytesMax],
  ['1.snapshot.json', limits.tufSnapshotBytesMax],
  ['1.targets.json', limits.tufTargetsBytesMax],
])('given an endless %s, it is cut at its limit', async (name, bytesMax) => {
  const repo = new TufRepository();
  const device = new TufDevice(repo);
  const sent = { bytes: 0 };
  const fetcher = fetcherOf((path) => {
    const file = path.slice('/tuf/'.length);
    if (file === name) return { status: 200, body: endless(sent) };
    const bytes = repo.serve(file);
    return { status: bytes === undefined ? 404 : 200, body: pieces(bytes ?? new Uint8Array()) };
  });
  const source = createMetadataSource({ fetcher, basePath: '/tuf/', timeoutMs: 1000 });
  const refreshing = device.client(source).refresh({ kind: 'trusted', nowMs: day0Ms });
  await expect(refreshing).rejects.toMatchObject({ code: 'response-too-large' });
  expect(sent.bytes).toBeLessThanOrEqual(bytesMax + 1024);
  expect(codeOf(await device.refresh())).toBe('ok');
});

test('given a snapshot longer than timestamp says, it is cut at the signed length', async () => {
  const repo = new TufRepository();
  repo.listsHashes = true;
  repo.publish('targets', 'snapshot', 'timestamp');
  const asked = new Map<string, number>();
  const inner = sourceOf(repo);
  const device = new TufDevice(repo);
  await device
    .client({
      fetch: (name, options) => {
        asked.set(name, options.bytesMax);
        return inner.fetch(name, options);
      },
    })
    .refresh({ kind: 'trusted', nowMs: day0Ms });
  expect(asked.get('2.snapshot.json')).toBe(repo.latest('snapshot')?.length);
  expect(asked.get('2.targets.json')).toBe(repo.latest('targets')?.length);
});

test.each(['timestamp.json', '1.snapshot.json', '1.targets.json'])(
  'given a transfer of %s that breaks off or ends early, nothing of it is kept',
  async (name) => {
    const repo = new TufRepository();
    const device = new TufDevice(repo);
    const inner = sourceOf(repo);
    const broken = device.client({
      fetch: (file, options) => {
        if (file === name) throw new OperatingError('fetch-timeout', 'too slow');
        return inner.fetch(file, options);
      },
    });
    const refreshing = broken.refresh({ kind: 'trusted', nowMs: day0Ms });
    await expect(refreshing).rejects.toMatchObject({ code: 'fetch-timeout' });
    const cut = device.client({
      fetch: async (file, options) => {
        const bytes = await inner.fetch(file, options);
        return file === name ? bytes?.slice(0, -7) : bytes;
      },
    });
    const result = await cut.refresh({ kind: 'trusted', nowMs: day0Ms });
    expect(codeOf(result)).toBe('tuf-malformed-metadata');
    expect(codeOf(await device.refresh())).toBe('ok');
  },
);

test.each([500, 503, 302, 418])(
  'given status %i, the refresh fails as a fetch, not as an absence',
  async (status) => {
    const device = new TufDevice(new TufRepository());
    const fetcher = fetcherOf(() => ({ status, body: pieces() }));
    const source = createMetadataSource({ fetcher, basePath: '/tuf/', timeoutMs: 1000 });
    const refreshing = device.client(source).refresh({ kind: 'trusted', nowMs: day0Ms });
    await expect(refreshing).rejects.toMatchObject({ code: 'fetch-failed' });
  },
);

test('given 403 for the next root, as object stores answer, there is none', async () => {
  const repo = new TufRepository();
  const fetcher = fetcherOf((path) => {
    const bytes = repo.serve(path.slice('/tuf/'.length));
    return { status: bytes === undefined ? 403 : 200, body: pieces(bytes ?? new Uint8Array()) };
  });
  const source = createMetadataSource({ fetcher, basePath: '/tuf/', timeoutMs: 1000 });
  const client = new TufDevice(repo).client(source);
  expect(codeOf(await client.refresh({ kind: 'trusted', nowMs: day0Ms }))).toBe('ok');
});
