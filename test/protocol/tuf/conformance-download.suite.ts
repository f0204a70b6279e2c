import { expect, test } from 'vitest';
import { utf8 } from '../../../shared/core/bytes.ts';
import { withConformance } from '../../support/tuf-conformance-client.ts';
import type { TufRepository } from '../../support/tuf-repository.ts';

const publishTargets = (repo: TufRepository): void =>
  repo.publish('targets', 'snapshot', 'timestamp');

test('given a listed target, refresh fetches nothing of it and download all of it [client_downloads_expected_file]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.addArtifact('targets', 'target_file.txt', 'target file contents');
    publishTargets(repo);
    expect(await client.refresh()).toBe(0);
    expect(await client.downloaded()).toEqual([]);
    expect(await client.download('target_file.txt')).toBe(0);
    expect(await client.downloaded()).toEqual(['target file contents']);
  }));

test('given a target in folders, it is downloaded all the same [client_downloads_expected_file_in_sub_dir]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.addArtifact('targets', 'path/to/a/target_file.txt', 'deep');
    publishTargets(repo);
    expect(await client.download('path/to/a/target_file.txt')).toBe(0);
    expect(await client.downloaded()).toEqual(['deep']);
  }));

test.each(['..', '.', 'a b?c#d%e', 'bundles/name@1.0.0', '.hidden'])(
  'given a target named "%s", it stays in its folder and is found at its URL',
  (name) =>
    withConformance(async ({ repo, client }) => {
      await client.init();
      repo.addArtifact('targets', name, 'odd');
      publishTargets(repo);
      expect(await client.download(name)).toBe(0);
      expect(await client.downloaded()).toEqual(['odd']);
      expect(repo.artifactRequests).toEqual([name]);
    }),
);

test('given a target path that climbs out of the URL, nothing is downloaded', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.addArtifact('targets', '../../escape', 'odd');
    publishTargets(repo);
    expect(await client.download('../../escape')).toBe(1);
    expect(client.explained).toMatch(/^fetch-failed/);
    expect(await client.downloaded()).toEqual([]);
  }));

test('given replaced content, neither a new nor a cached target accepts it [repository_substitutes_target_file]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.addArtifact('targets', 'one', 'first content');
    repo.addArtifact('targets', 'two', 'content');
    publishTargets(repo);
    expect(await client.download('one')).toBe(0);
    repo.artifacts.set('one', utf8('malicious!!!!'));
    repo.artifacts.set('two', utf8('malicio'));
    expect(await client.download('one')).toBe(0);
    expect(await client.downloaded()).toEqual(['first content']);
    expect(await client.download('two')).toBe(1);
    expect(client.explained).toMatch(/^tuf-target-mismatch/);
    expect(await client.downloaded()).toEqual(['first content']);
  }));

test.each(['shorter', 'longer than it was signed for', ''])(
  'given a target served as "%s", its length gives it away',
  (served) =>
    withConformance(async ({ repo, client }) => {
      await client.init();
      repo.addArtifact('targets', 'file', 'signed content');
      publishTargets(repo);
      repo.artifacts.set('file', utf8(served));
      expect(await client.download('file')).toBe(1);
      expect(await client.downloaded()).toEqual([]);
    }),
);

test('given many changes, each version is downloaded and no malicious one [multiple_changes_to_target]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.addArtifact('targets', 'file', 'original');
    publishTargets(repo);
    expect(await client.download('file')).toBe(0);
    for (let i = 0; i < 6; i += 1) {
      repo.addArtifact('targets', 'file', `modified ${i}`);
      repo.addArtifact('targets', `new-${i}`, `new ${i}`);
      publishTargets(repo);
      if (i % 3 !== 0) continue;
      expect(await client.download('file')).toBe(0);
      expect(await client.download(`new-${i}`)).toBe(0);
      repo.artifacts.set('file', utf8(`malice ${i}`));
      publishTargets(repo);
      await client.download('file');
      expect(await client.downloaded()).toContain(`modified ${i}`);
      expect(await client.downloaded()).not.toContain(`malice ${i}`);
    }
    expect(await client.downloaded()).toHaveLength(3);
  }));

test.each([[['sha256']], [['sha512']], [['sha256', 'sha512']]])(
  'given a target listed under %j, it is downloaded by one of them [download_with_hash_algorithms]',
  (algorithms) =>
    withConformance(async ({ repo, client }) => {
      await client.init();
      repo.addArtifact('targets', 'file', 'content');
      repo.listHashes('targets', 'file', algorithms);
      publishTargets(repo);
      expect(await client.download('file')).toBe(0);
      expect(repo.artifactRequests).toEqual(['file']);
      expect(await client.downloaded()).toEqual(['content']);
    }),
);

test('given a target listed under a hash that nobody knows, nothing is kept [download_with_unknown_hash_algorithm]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.addArtifact('targets', 'file', 'content');
    repo.listHashes('targets', 'file', ['unknown-hash']);
    publishTargets(repo);
    expect(await client.download('file')).toBe(1);
    expect(await client.downloaded()).toEqual([]);
  }));

test('given a target that is here already, it is not fetched again [artifact_cache]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.addArtifact('targets', 'file', 'content');
    publishTargets(repo);
    expect(await client.download('file')).toBe(0);
    expect(await client.download('file')).toBe(0);
    expect(repo.artifactRequests).toEqual(['file']);
  }));

test('given several names, they come in order and the first failure ends the command [download_multiple_targets]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.addArtifact('targets', 'a', 'A');
    repo.addArtifact('targets', 'c', 'C');
    publishTargets(repo);
    expect(await client.download(['a', 'b', 'c'])).toBe(1);
    expect(await client.downloaded()).toEqual(['A']);
    expect(await client.download(['a', 'c'])).toBe(0);
    expect(repo.artifactRequests).toEqual(['a', 'c']);
    expect(repo.requests.filter((request) => request === 'timestamp')).toHaveLength(2);
  }));
