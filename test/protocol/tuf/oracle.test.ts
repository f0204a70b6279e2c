import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { BaseFetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { expect, test } from 'vitest';
import { TufDevice } from '../../support/tuf-device.ts';
import { TufRepository } from '../../support/tuf-repository.ts';

/** tuf-js reads the wall clock, so nothing may expire while these tests exist. */
const farMs = Date.UTC(2120, 0, 1);
const nowMs = Date.UTC(2026, 2, 1);

/** What may happen to a repository between two refreshes: mostly good, at times hostile. */
const step = fc.oneof(
  fc.record({
    kind: fc.constant('publish' as const),
    roles: fc.shuffledSubarray(['targets', 'snapshot', 'timestamp', 'root']),
  }),
  fc.record({
    kind: fc.constant('publish' as const),
    roles: fc.constant(['targets', 'snapshot', 'timestamp']),
  }),
  fc.record({
    kind: fc.constant('rotate' as const),
    role: fc.constantFrom('timestamp', 'snapshot', 'targets'),
  }),
  fc.record({
    kind: fc.constant('threshold' as const),
    role: fc.constantFrom('timestamp', 'snapshot'),
    value: fc.integer({ min: 1, max: 2 }),
  }),
  fc.record({
    kind: fc.constant('back' as const),
    role: fc.constantFrom('timestamp', 'snapshot', 'targets'),
  }),
  fc.record({
    kind: fc.constant('unsign' as const),
    role: fc.constantFrom('root', 'timestamp', 'snapshot', 'targets'),
  }),
  fc.record({ kind: fc.constant('hashes' as const), on: fc.boolean() }),
  fc.record({
    kind: fc.constant('artifact' as const),
    path: fc.constantFrom('a', 'b/c', 'd*'),
    role: fc.constantFrom('targets', 'A', 'B'),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function apply(repo: TufRepository, change: Step): void {
  switch (change.kind) {
    case 'publish':
      repo.publish(...change.roles);
      return;
    case 'rotate':
      repo.rotateKeys(change.role);
      repo.publish('root', 'targets', 'snapshot', 'timestamp');
      return;
    case 'threshold':
      repo.roleOf(change.role).threshold = change.value;
      repo.publish('root');
      return;
    case 'back':
      repo.republishAt1(change.role);
      if (change.role !== 'timestamp') repo.publish('timestamp');
      return;
    case 'unsign':
      repo.tamper(change.role, (file) => ({ ...file, signatures: file.signatures.slice(1) }));
      return;
    case 'hashes':
      repo.listsHashes = change.on;
      return;
    case 'artifact':
      repo.addArtifact(change.role, change.path, `${change.role} ${change.path}`);
      repo.publish('A', 'B', 'targets', 'snapshot', 'timestamp');
  }
}

test('given any history of a repository, we and tuf-js accept, keep and find the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
      const repo = createRepository();
      const device = new TufDevice(repo);
      const pinned = Buffer.from(repo.latest('root', 1) ?? []).toString();
      const folder = mkdtempSync(join(tmpdir(), 'skein-oracle-'));
      try {
        writeFileSync(join(folder, 'root.json'), pinned);
        for (const change of steps) {
          apply(repo, change);
          expect(await ourView(device)).toEqual(
            await theirView(repo, { metadataDir: folder, pinned }),
          );
          // From here on the repository gives one version number to two files. tuf-js keeps its local one by number
          // alone; we compare the listed hash (5.5.2) and fetch again, so the two may rightly differ.
          if (change.kind === 'back' && change.role !== 'timestamp') break;
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    }),
    { numRuns: 60 },
  );
});

interface View {
  readonly accepted: boolean;
  readonly files: readonly (string | undefined)[];
  /** Length found for each path, where the top level was accepted. */
  readonly found: readonly (number | undefined)[];
}

const paths = ['a', 'b/c', 'd*', 'nowhere'];
const trustedFiles = ['root', 'timestamp', 'snapshot', 'targets', 'A', 'B'];

async function ourView(device: TufDevice): Promise<View> {
  const refreshed = await device.refresh(nowMs);
  const found: (number | undefined)[] = [];
  for (const path of refreshed.ok ? paths : []) {
    const target = refreshed.ok ? await refreshed.value.lookup(path) : undefined;
    found.push(target?.ok === true ? target.value.target.length : undefined);
  }
  const files = await Promise.all(
    trustedFiles.map(async (role) => {
      const bytes = await device.disk.read(`tuf/${role}.json`, { bytesMax: 1e6 });
      return bytes === undefined ? undefined : Buffer.from(bytes).toString();
    }),
  );
  // The pinned root is not copied to our disk before it is replaced.
  const [root, ...others] = files;
  return { accepted: refreshed.ok, files: [root ?? 'pinned', ...others], found };
}

async function theirView(
  repo: TufRepository,
  { metadataDir, pinned }: { readonly metadataDir: string; readonly pinned: string },
): Promise<View> {
  const updater = new Updater({
    metadataDir,
    metadataBaseUrl: 'http://repository/metadata',
    fetcher: new RepositoryFetcher(repo),
    config: { fetchRetries: 0 },
  });
  const accepted = await updater.refresh().then(
    () => true,
    () => false,
  );
  const found: (number | undefined)[] = [];
  for (const path of accepted ? paths : []) {
    const target = await updater.getTargetInfo(path).catch(() => undefined);
    found.push(target?.length);
  }
  const files = trustedFiles.map((role) => {
    try {
      return readFileSync(join(metadataDir, `${role}.json`), 'utf8');
    } catch {
      return undefined;
    }
  });
  const [root, ...others] = files;
  return { accepted, files: [root === pinned ? 'pinned' : root, ...others], found };
}

class RepositoryFetcher extends BaseFetcher {
  readonly #repo: TufRepository;

  constructor(repo: TufRepository) {
    super();
    this.#repo = repo;
  }

  override fetch(url: string): ReturnType<BaseFetcher['fetch']> {
    const bytes = this.#repo.serve(url.slice('http://repository/metadata/'.length));
    if (bytes === undefined) return Promise.reject(new DownloadHTTPError('absent', 404));
    return Promise.resolve(new Blob([new Uint8Array(bytes)]).stream());
  }
}

function createRepository(): TufRepository {
  const repo = new TufRepository();
  repo.addDelegation('targets', { name: 'A', paths: ['a', 'b/*'] });
  repo.addDelegation('targets', { name: 'B', paths: ['*'], terminating: true });
  repo.addKey('timestamp');
  repo.addKey('snapshot');
  for (const role of [...repo.targets.keys(), 'root', 'timestamp', 'snapshot']) {
    repo.draftOf(role).expiresAtMs = farMs;
  }
  repo.republishAt1('root');
  repo.publish('A', 'B', 'targets', 'snapshot', 'timestamp');
  return repo;
}
