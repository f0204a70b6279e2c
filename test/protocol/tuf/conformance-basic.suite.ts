import { expect, test } from 'vitest';
import { textOf, utf8 } from '../../../shared/core/bytes.ts';
import { withConformance } from '../../support/tuf-conformance-client.ts';
import { day0Ms, dayMs } from '../../support/tuf-repository.ts';
import { withKeyFields } from '../../support/tuf-signers.ts';

/** The public TUF conformance suite's scenarios, rebuilt; its own names stand in brackets. */
const topLevel = ['root', 'timestamp', 'snapshot', 'targets'];

test('given a first refresh, it asks for exactly the files of the workflow, in order [basic_refresh_requests]', () =>
  withConformance(async ({ repo, client }) => {
    expect(await client.init()).toBe(0);
    expect(repo.requests).toEqual([]);
    expect(await client.refresh()).toBe(0);
    expect(repo.requests).toEqual(['root 2', 'timestamp', 'snapshot 1', 'targets 1']);
  }));

test('given a first refresh, the trusted files are those the repository serves [basic_refresh_trusted_data]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    expect(await client.refresh()).toBe(0);
    for (const role of topLevel) {
      expect(await client.trusted(role)).toEqual(Buffer.from(repo.latest(role) ?? []));
    }
  }));

test('given a download of nothing known, metadata is refreshed before it fails [implicit_refresh]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    expect(await client.download('no such artifact')).toBe(1);
    expect(client.explained).toMatch(/^tuf-target-not-found/);
    expect(repo.requests).toEqual(['root 2', 'timestamp', 'snapshot 1', 'targets 1']);
    expect(await client.trustedRoles()).toEqual([
      'root 1',
      'snapshot 1',
      'targets 1',
      'timestamp 1',
    ]);
  }));

test('given an initial root without a version, nothing is fetched [invalid_initial_root]', () =>
  withConformance(async ({ repo, client }) => {
    repo.tamper('root', (file) => ({ ...file, signed: { ...file.signed, version: 'one' } }));
    await client.init();
    expect(await client.refresh()).toBe(1);
    expect(client.explained).toMatch(/^tuf-no-root/);
    expect(repo.requests).toEqual([]);
  }));

test('given an initial root with a wrong signature, nothing is fetched [unsigned_initial_root]', () =>
  withConformance(async ({ repo, client }) => {
    repo.tamper('root', (file) => {
      const [first] = file.signatures;
      return { ...file, signatures: [{ ...(first as object), sig: '00'.repeat(64) }] };
    });
    await client.init();
    expect(await client.refresh()).toBe(1);
    expect(repo.requests).toEqual([]);
  }));

test.each([
  ['root', ['root 1']],
  ['timestamp', ['root 2']],
  ['snapshot', ['root 2', 'timestamp 2']],
  ['targets', ['root 2', 'snapshot 2', 'timestamp 2']],
])(
  'given %s without its signature, only what comes before it is trusted [unsigned_metadata]',
  (role, trusted) =>
    withConformance(async ({ repo, client }) => {
      repo.draftOf(role).signers.clear();
      repo.publish('root', 'targets', 'snapshot', 'timestamp');
      await client.init();
      expect(await client.refresh()).toBe(1);
      expect(client.explained).toMatch(new RegExp(`^tuf-threshold-${role}`));
      expect(await client.trustedRoles()).toEqual(trusted);
    }),
);

test.each([
  ['root', ['root 1']],
  ['snapshot', ['root 2', 'timestamp 2']],
  ['targets', ['root 2', 'snapshot 2', 'timestamp 2']],
])(
  'given %s 3 served as version 2, it is refused [url_and_metadata_version_mismatch]',
  (role, trusted) =>
    withConformance(async ({ repo, client }) => {
      repo.draftOf(role).version += 1;
      repo.publish('root', 'targets', 'snapshot', 'timestamp');
      // The parent lists version 2, as the URL says.
      if (role !== 'root') {
        repo.draftOf(role).version = 2;
        const meta =
          role === 'snapshot' ? repo.timestampMeta : repo.snapshotMeta.get('targets.json');
        if (meta !== undefined) meta.version = 2;
        for (const parent of role === 'snapshot' ? ['timestamp'] : ['snapshot', 'timestamp']) {
          repo.published.get(parent)?.pop();
          repo.draftOf(parent).version = 1;
          repo.publish(parent);
        }
      }
      await client.init();
      expect(await client.refresh()).toBe(1);
      expect(client.explained).toMatch(/^tuf-version-mismatch/);
      expect(await client.trustedRoles()).toEqual(trusted);
    }),
);

test('given other content under the same timestamp version, the trusted one stays [timestamp_content_changes]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    expect(await client.refresh()).toBe(0);
    const before = await client.trusted('timestamp');
    repo.timestampMeta = { version: 100 };
    repo.republishAt1('timestamp');
    expect(await client.refresh()).toBe(0);
    expect(repo.requests.at(-1)).toBe('timestamp');
    expect(await client.trusted('timestamp')).toEqual(before);
  }));

test('given hashes in the parents, right ones pass and wrong ones do not [basic_metadata_hash_support]', () =>
  withConformance(async ({ repo, client }) => {
    repo.listsHashes = true;
    repo.publish('targets', 'snapshot', 'timestamp');
    await client.init();
    expect(await client.refresh()).toBe(0);
    repo.publish('targets');
    const listed = repo.snapshotMeta.get('targets.json');
    if (listed !== undefined) listed.hashes = { sha256: 'ab'.repeat(32) };
    repo.publish('snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.explained).toMatch(/^tuf-hash-mismatch/);
    expect(await client.version('snapshot')).toBe(3);
    expect(await client.version('targets')).toBe(2);
  }));

test('given an unusual serialization, the bytes on disk are those served [metadata_bytes_match]', () =>
  withConformance(async ({ repo, client }) => {
    const served = `${textOf(repo.latest('timestamp') ?? new Uint8Array()) ?? ''} \n`;
    repo.published.set('timestamp', [utf8(served)]);
    await client.init();
    expect(await client.refresh()).toBe(0);
    expect(Buffer.from((await client.trusted('timestamp')) ?? []).toString()).toBe(served);
  }));

test('given fields unknown to the client, signatures still cover them [custom_fields]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    expect(await client.refresh()).toBe(0);
    repo.root.extra = { 'custom-field': 'value' };
    repo.roleOf('root').extra = { 'another-field': { deep: [1, null, true] } };
    repo.addKey('root', withKeyFields(repo.newSigner(), { 'extra-field': { a: 1, b: 2 } }));
    repo.publish('root');
    expect(await client.refresh()).toBe(0);
    expect(await client.version('root')).toBe(2);
    repo.publish('root');
    repo.tamper('root', (file) => ({ ...file, signed: { ...file.signed, 'custom-field': 'x' } }));
    expect(await client.refresh()).toBe(1);
    expect(client.explained).toMatch(/^tuf-threshold-root/);
  }));

test('given a misleading keyid_hash_algorithms, it does not matter [deprecated_keyid_hash_algorithms]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.clearKeys('snapshot');
    repo.addKey('snapshot', withKeyFields(repo.newSigner(), { keyid_hash_algorithms: 'md5' }));
    repo.publish('root', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(0);
    expect(await client.version('snapshot')).toBe(2);
  }));

test('given a listed snapshot that is not served, timestamp alone advances [snapshot_404]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    await client.refresh();
    repo.timestampMeta.version += 1;
    repo.publish('timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.explained).toMatch(/^tuf-missing-metadata/);
    expect(repo.requests.at(-1)).toBe('snapshot 2');
    expect(await client.trustedRoles()).toEqual([
      'root 1',
      'snapshot 1',
      'targets 1',
      'timestamp 2',
    ]);
  }));

test('given listed targets that are not served, timestamp and snapshot advance [targets_404]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    await client.refresh();
    repo.snapshotMeta.set('targets.json', { version: 2 });
    repo.publish('snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(repo.requests.at(-1)).toBe('targets 2');
    expect(await client.trustedRoles()).toEqual([
      'root 1',
      'snapshot 2',
      'targets 1',
      'timestamp 2',
    ]);
  }));

test('given no timestamp, the refresh fails [timestamp_404]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    await client.refresh();
    repo.published.delete('timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.explained).toMatch(/^tuf-missing-metadata/);
    expect(repo.requests.at(-1)).toBe('timestamp');
  }));

test('given a well-signed snapshot in the place of timestamp, its type gives it away [incorrect_metadata_type]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    const [signer] = repo.timestamp.signers.values();
    repo.addKey('snapshot', signer);
    repo.snapshotMeta = new Map([['snapshot.json', { version: 1 }]]);
    repo.publish('root', 'snapshot');
    repo.published
      .get('timestamp')
      ?.push(repo.published.get('snapshot')?.pop() ?? new Uint8Array());
    expect(await client.refresh()).toBe(1);
    expect(client.explained).toMatch(/^tuf-malformed-metadata/);
    expect(await client.trustedRoles()).toEqual(['root 2']);
  }));

test('given another time, expiry follows the time that was passed [faketime]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.root.expiresAtMs = day0Ms + 7 * dayMs;
    repo.publish('root');
    expect(await client.refresh(day0Ms)).toBe(0);
    expect(await client.refresh(day0Ms + 8 * dayMs)).toBe(1);
    expect(client.explained).toMatch(/^tuf-expired-root/);
    expect(await client.refresh(day0Ms + dayMs)).toBe(0);
  }));

test('given non-consistent snapshots, file names carry no version and no hash', () =>
  withConformance(async ({ repo, client }) => {
    repo.root.consistentSnapshot = false;
    repo.addArtifact('targets', 'file.txt', 'plain');
    repo.publish('targets', 'snapshot', 'timestamp');
    repo.published.delete('root');
    repo.root.version = 1;
    repo.publish('root');
    await client.init();
    expect(await client.download('file.txt')).toBe(0);
    expect(repo.requests).toEqual(['root 2', 'timestamp', 'snapshot', 'targets']);
    expect(await client.downloaded()).toEqual(['plain']);
  }));
