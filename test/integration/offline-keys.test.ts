import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeKeyFile, openKey, sealKey } from '../../cli/keys/key-file.ts';
import { createOfflineSigner } from '../../cli/keys/offline-signer.ts';
import { publishRoot, serveInFolder } from '../../cli/keys/publish-root.ts';
import { keyIdOf, proposeRoot, type RootChange } from '../../cli/keys/root-proposal.ts';
import { jsonBytes, readTrustedRoot } from '../../cli/keys/workspace.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { addSignature } from '../../shared/trust/tuf/repository.ts';

const signer = () => createOfflineSigner(randomBytes(32));
const roots = [signer(), signer(), signer()] as const;
const [targets, snapshot, timestamp] = [signer(), signer(), signer()];
const expiresAtMs = Date.UTC(2040, 0, 1);

const firstChange: RootChange = {
  add: [
    ...roots.map(({ publicKey }) => ({ role: 'root' as const, publicKey })),
    { role: 'targets', publicKey: targets.publicKey },
    { role: 'snapshot', publicKey: snapshot.publicKey },
    { role: 'timestamp', publicKey: timestamp.publicKey },
  ],
  remove: [],
  thresholds: new Map([['root', 2]]),
  expiresAtMs,
};

const noChange: RootChange = { add: [], remove: [], thresholds: new Map(), expiresAtMs };

describe('offline keys', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skein-keys-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  const home = () => ({ folder: join(folder, 'home') });
  const published = () => join(folder, 'repository');

  async function propose(change: RootChange): Promise<Uint8Array> {
    const proposed = proposeRoot((await readTrustedRoot(home()))?.body, change);
    if (!proposed.ok) throw new Error(proposed.error.message);
    return proposed.value;
  }

  const publish = async (change: RootChange, by: readonly ReturnType<typeof signer>[]) => {
    const proposal = by.reduce((file, { sign }) => addSignature(file, sign), await propose(change));
    return publishRoot(home(), { proposal, serve: serveInFolder(published()) });
  };

  it('opens a share only with its own passphrase and only unchanged', () => {
    const seed = randomBytes(32);
    const { publicKey } = createOfflineSigner(seed);
    const key = { role: 'root' as const, holder: '1', passphrase: 'one long secret' };
    const file = sealKey({ ...key, nowMs: 0, seed, publicKey });
    expect(openKey(file, 'one long secret')).toMatchObject({ ok: true, value: seed });
    expect(openKey(file, 'another secret').ok).toBe(false);
    expect(openKey({ ...file, role: 'targets' }, 'one long secret').ok).toBe(false);
    expect(decodeKeyFile(jsonBytes(file)).ok).toBe(true);
    expect(decodeKeyFile(utf8('{"format":"skein-offline-key/1"}')).ok).toBe(false);
  });

  it('publishes a root at its threshold and refuses one signature less', async () => {
    expect(await publish(firstChange, [roots[0]])).toMatchObject({ ok: false });
    expect(await publish(firstChange, [roots[0], roots[0]])).toMatchObject({ ok: false });
    expect(await publish(firstChange, [roots[0], roots[2]])).toMatchObject({ ok: true });
    const file = await readFile(join(published(), '1.root.json'), 'utf8');
    expect(JSON.parse(file)).toMatchObject({ signed: { version: 1, consistent_snapshot: true } });
  });

  it('rotates a root key only when old and new thresholds have signed', async () => {
    await publish(firstChange, [roots[0], roots[1]]);
    const fresh = signer();
    const change: RootChange = {
      ...noChange,
      add: [{ role: 'root', publicKey: fresh.publicKey }],
      remove: [{ role: 'root', keyId: keyIdOf(roots[0].publicKey) }],
    };
    expect(await publish(change, [fresh, roots[1]])).toMatchObject({ ok: false });
    expect(await publish(change, [roots[0], roots[1], fresh])).toMatchObject({
      ok: true,
      value: { body: { version: 2 } },
    });
  });

  it('never replaces a published root', async () => {
    await publish(firstChange, [roots[0], roots[1]]);
    await rm(home().folder, { recursive: true });
    const other = await publish({ ...firstChange, expiresAtMs: expiresAtMs + 1000 }, [
      roots[0],
      roots[1],
    ]);
    expect(other).toMatchObject({ ok: false, error: { code: 'root-already-published' } });
  });

  it('refuses proposals that nobody could fulfil or that reuse a key', async () => {
    await publish(firstChange, [roots[0], roots[1]]);
    const current = (await readTrustedRoot(home()))?.body;
    const thresholds = new Map([['targets', 2]] as const);
    expect(proposeRoot(current, { ...noChange, thresholds })).toMatchObject({
      error: { code: 'threshold-impossible' },
    });
    expect(
      proposeRoot(current, { ...noChange, remove: [{ role: 'root', keyId: 'f'.repeat(64) }] }),
    ).toMatchObject({ error: { code: 'key-unknown' } });
    expect(
      proposeRoot(current, {
        ...noChange,
        add: [{ role: 'targets', publicKey: roots[0].publicKey }],
      }),
    ).toMatchObject({ error: { code: 'key-in-two-roles' } });
  });
});
