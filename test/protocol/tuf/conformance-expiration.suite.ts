import { expect, test } from 'vitest';
import { withConformance } from '../../support/tuf-conformance-client.ts';
import { day0Ms, dayMs } from '../../support/tuf-repository.ts';

test('given an expired newest root, root advances and nothing else does [root_expired]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    await client.refresh();
    repo.publish('root');
    expect(await client.refresh()).toBe(0);
    repo.root.expiresAtMs = day0Ms - dayMs;
    repo.publish('root', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.explained).toMatch(/^tuf-expired-root/);
    expect(await client.trustedRoles()).toEqual([
      'root 3',
      'snapshot 1',
      'targets 1',
      'timestamp 1',
    ]);
  }));

test('given an expired root that a later one replaces, the walk goes through it (5.3.10)', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.root.expiresAtMs = day0Ms - dayMs;
    repo.publish('root');
    repo.root.expiresAtMs = day0Ms + dayMs;
    repo.publish('root');
    expect(await client.refresh()).toBe(0);
    expect(await client.version('root')).toBe(3);
  }));

test.each([
  ['timestamp', 'timestamp_expired', ['root 1', 'snapshot 1', 'targets 1', 'timestamp 1']],
  ['snapshot', 'snapshot_expired', ['root 1', 'snapshot 1', 'targets 1', 'timestamp 2']],
  ['targets', 'targets_expired', ['root 1', 'snapshot 2', 'targets 1', 'timestamp 2']],
])('given a new but expired %s, the version before it stays trusted [%s]', (role, _, trusted) =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    await client.refresh();
    repo.draftOf(role).expiresAtMs = day0Ms - 5 * dayMs;
    const chain = ['targets', 'snapshot', 'timestamp'];
    repo.publish(...chain.slice(chain.indexOf(role)));
    expect(await client.refresh()).toBe(1);
    expect(client.explained).toMatch(new RegExp(`^tuf-expired-${role}`));
    expect(await client.trustedRoles()).toEqual(trusted);
  }),
);

test('given expired local metadata, fresh metadata is fetched all the same [expired_metadata]', () =>
  withConformance(async ({ repo, client }) => {
    repo.timestamp.expiresAtMs = day0Ms + 7 * dayMs;
    repo.publish('timestamp');
    await client.init();
    expect(await client.refresh()).toBe(0);
    repo.publish('targets', 'snapshot');
    repo.timestamp.expiresAtMs = day0Ms + 21 * dayMs;
    repo.publish('timestamp');
    expect(await client.refresh(day0Ms + 18 * dayMs)).toBe(0);
    expect(await client.trustedRoles()).toEqual([
      'root 1',
      'snapshot 2',
      'targets 2',
      'timestamp 3',
    ]);
  }));

test('given a timestamp that stands still past its expiry, the freeze is noticed', () =>
  withConformance(async ({ repo, client }) => {
    repo.timestamp.expiresAtMs = day0Ms + 7 * dayMs;
    repo.publish('timestamp');
    await client.init();
    expect(await client.refresh()).toBe(0);
    expect(await client.refresh(day0Ms + 8 * dayMs)).toBe(1);
    expect(client.explained).toMatch(/^tuf-expired-timestamp/);
  }));

test('given an expiry equal to the update start, it counts as expired', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    expect(await client.refresh(repo.timestamp.expiresAtMs - 1)).toBe(0);
    expect(await client.refresh(repo.timestamp.expiresAtMs)).toBe(1);
  }));

test('given a delegated role that is expired at first sight, its target is not found [delegated_targets_expired]', () =>
  withConformance(async ({ repo, client }) => {
    repo.addDelegation('targets', { name: 'delegated', paths: ['d/*'] });
    repo.targetsOf('delegated').expiresAtMs = day0Ms - dayMs;
    repo.addArtifact('delegated', 'd/file', 'content');
    repo.publish('delegated', 'targets', 'snapshot', 'timestamp');
    await client.init();
    expect(await client.refresh()).toBe(0);
    expect(await client.download('d/file')).toBe(1);
    expect(client.explained).toMatch(/^tuf-expired-targets: delegated/);
    expect(await client.downloaded()).toEqual([]);
    expect(await client.trustedRoles()).toEqual([
      'root 1',
      'snapshot 2',
      'targets 2',
      'timestamp 2',
    ]);
  }));

test('given a cached delegated role that has expired since, it is not used [expired_local_delegated_targets]', () =>
  withConformance(async ({ repo, client }) => {
    repo.addDelegation('targets', { name: 'delegated', paths: ['d/*'] });
    repo.targetsOf('delegated').expiresAtMs = day0Ms + 7 * dayMs;
    repo.addArtifact('delegated', 'd/first', 'first');
    repo.addArtifact('delegated', 'd/second', 'second');
    repo.publish('delegated', 'targets', 'snapshot', 'timestamp');
    await client.init();
    expect(await client.download('d/first')).toBe(0);
    expect(await client.download('d/second', day0Ms + 18 * dayMs)).toBe(1);
    expect(await client.downloaded()).toEqual(['first']);
  }));

test('given a newer version of an expired cached role, it is taken [expired_local_delegated_targets_updates]', () =>
  withConformance(async ({ repo, client }) => {
    repo.addDelegation('targets', { name: 'delegated', paths: ['d/*'] });
    repo.targetsOf('delegated').expiresAtMs = day0Ms + 7 * dayMs;
    repo.addArtifact('delegated', 'd/first', 'first');
    repo.addArtifact('delegated', 'd/second', 'second');
    repo.publish('delegated', 'targets', 'snapshot', 'timestamp');
    await client.init();
    expect(await client.download('d/first')).toBe(0);
    repo.targetsOf('delegated').expiresAtMs = day0Ms + 21 * dayMs;
    repo.publish('delegated', 'snapshot', 'timestamp');
    expect(await client.download('d/second', day0Ms + 18 * dayMs)).toBe(0);
    expect(await client.downloaded()).toEqual(['first', 'second']);
  }));
