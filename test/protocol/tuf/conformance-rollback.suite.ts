import { expect, test } from 'vitest';
import { withConformance } from '../../support/tuf-conformance-client.ts';

test('given a snapshot that went back unlisted, the client keeps what timestamp lists [simple_snapshot_rollback]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.publish('snapshot', 'timestamp');
    expect(await client.refresh()).toBe(0);
    repo.published.get('snapshot')?.pop();
    expect(await client.refresh()).toBe(0);
    expect(await client.version('snapshot')).toBe(2);
    expect(repo.requests.at(-1)).toBe('timestamp');
  }));

test('given an older timestamp, it is refused [new_timestamp_version_rollback]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.publish('timestamp');
    expect(await client.refresh()).toBe(0);
    expect(await client.version('timestamp')).toBe(2);
    repo.republishAt1('timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.explained).toMatch(/^tuf-rollback-timestamp/);
    expect(await client.version('timestamp')).toBe(2);
    expect(repo.requests.at(-1)).toBe('timestamp');
  }));

test.each([false, true])(
  'given a timestamp that lists an older snapshot (hashes: %s), neither is taken [snapshot_rollback]',
  (listsHashes) =>
    withConformance(async ({ repo, client }) => {
      repo.listsHashes = listsHashes;
      await client.init();
      repo.publish('snapshot', 'timestamp');
      expect(await client.refresh()).toBe(0);
      repo.republishAt1('snapshot');
      repo.publish('timestamp');
      expect(await client.refresh()).toBe(1);
      expect(client.explained).toMatch(/^tuf-rollback-snapshot/);
      expect(await client.version('timestamp')).toBe(2);
      expect(await client.version('snapshot')).toBe(2);
      expect(repo.requests.at(-1)).toBe('timestamp');
    }),
);

test.each([false, true])(
  'given a snapshot that lists older targets (hashes: %s), it is refused [targets_rollback]',
  (listsHashes) =>
    withConformance(async ({ repo, client }) => {
      repo.listsHashes = listsHashes;
      repo.publish('targets', 'snapshot', 'timestamp');
      await client.init();
      expect(await client.refresh()).toBe(0);
      expect(await client.version('targets')).toBe(2);
      repo.republishAt1('targets');
      repo.publish('snapshot', 'timestamp');
      expect(await client.refresh()).toBe(1);
      expect(client.explained).toMatch(/^tuf-rollback-targets/);
      expect(await client.version('snapshot')).toBe(2);
      expect(await client.version('targets')).toBe(2);
    }),
);

test('given a snapshot that no longer lists a role, it is refused (5.5.5)', () =>
  withConformance(async ({ repo, client }) => {
    repo.addDelegation('targets', { name: 'extra' });
    repo.publish('extra', 'targets', 'snapshot', 'timestamp');
    await client.init();
    expect(await client.refresh()).toBe(0);
    repo.snapshotMeta.delete('extra.json');
    repo.publish('snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.explained).toMatch(/^tuf-rollback-targets: extra.json/);
  }));

test('given rotated snapshot keys, targets may go back [new_targets_fast_forward_recovery]', () =>
  withConformance(async ({ repo, client }) => {
    for (let i = 1; i < 100; i += 1) repo.publish('targets');
    repo.publish('snapshot', 'timestamp');
    await client.init();
    expect(await client.refresh()).toBe(0);
    expect(await client.version('targets')).toBe(100);
    repo.rotateKeys('snapshot');
    repo.publish('root');
    repo.republishAt1('targets');
    repo.publish('snapshot', 'timestamp');
    expect(await client.refresh()).toBe(0);
    expect(await client.version('targets')).toBe(1);
  }));

test('given rotated snapshot keys, a delegated role may go back too [delegated_fast_forward_recovery]', () =>
  withConformance(async ({ repo, client }) => {
    repo.addDelegation('targets', { name: 'delegated' });
    repo.addArtifact('delegated', 'file', 'content');
    for (let i = 1; i < 10; i += 1) repo.publish('delegated');
    repo.publish('targets', 'snapshot', 'timestamp');
    await client.init();
    expect(await client.download('file')).toBe(0);
    expect(await client.version('delegated')).toBe(9);
    repo.rotateKeys('snapshot');
    repo.publish('root');
    repo.republishAt1('delegated');
    repo.publish('snapshot', 'timestamp');
    expect(await client.download('file')).toBe(0);
    expect(await client.version('delegated')).toBe(1);
  }));

test('given rotated snapshot and timestamp keys, snapshot may go back [new_snapshot_fast_forward_recovery]', () =>
  withConformance(async ({ repo, client }) => {
    for (let i = 1; i < 100; i += 1) repo.publish('snapshot');
    repo.publish('timestamp');
    await client.init();
    expect(await client.refresh()).toBe(0);
    expect(await client.version('snapshot')).toBe(100);
    repo.rotateKeys('snapshot');
    repo.rotateKeys('timestamp');
    repo.publish('root');
    repo.republishAt1('snapshot', 'timestamp');
    expect(await client.refresh()).toBe(0);
    expect(await client.version('snapshot')).toBe(1);
  }));

test('given rotated timestamp keys, timestamp may go back [new_timestamp_fast_forward_recovery]', () =>
  withConformance(async ({ repo, client }) => {
    for (let i = 1; i < 100; i += 1) repo.publish('timestamp');
    await client.init();
    expect(await client.refresh()).toBe(0);
    expect(await client.version('timestamp')).toBe(100);
    repo.rotateKeys('timestamp');
    repo.publish('root');
    repo.republishAt1('timestamp');
    expect(await client.refresh()).toBe(0);
    expect(await client.version('timestamp')).toBe(1);
  }));

test('given the same keys as before, no fast-forwarded file goes back', () =>
  withConformance(async ({ repo, client }) => {
    for (let i = 1; i < 10; i += 1) repo.publish('timestamp');
    await client.init();
    await client.refresh();
    repo.publish('root');
    repo.republishAt1('timestamp');
    expect(await client.refresh()).toBe(1);
    expect(await client.version('timestamp')).toBe(10);
  }));

test('given a new snapshot that timestamp does not list, it is not fetched [new_snapshot_version_mismatch]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.publish('snapshot');
    expect(await client.refresh()).toBe(0);
    expect(repo.requests).toContain('snapshot 1');
    expect(await client.version('snapshot')).toBe(1);
  }));

test('given new targets that snapshot does not list, they are not fetched [new_targets_version_mismatch]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    expect(await client.refresh()).toBe(0);
    repo.publish('targets');
    expect(await client.refresh()).toBe(0);
    expect(await client.version('targets')).toBe(1);
    expect(repo.requests.at(-1)).toBe('timestamp');
  }));
