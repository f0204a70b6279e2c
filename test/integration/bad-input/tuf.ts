import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeDisk } from '../../../shared/adapters/disk/node-disk.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { concatBytes, utf8 } from '../../../shared/core/bytes.ts';
import { MetadataStore } from '../../../shared/trust/tuf/metadata-store.ts';
import { TufClient } from '../../../shared/trust/tuf/tuf-client.ts';
import { day0Ms, dayMs, TufRepository } from '../../support/tuf-repository.ts';
import { type Attack, atDoor, type BadCase, codeOfResult, type Scene } from './bad-case.ts';
import { filesBelow, hashOfLines } from './state-hash.ts';

/** One repository that signs for real, and one device that trusts its first root; new for each case. */
class TufScene implements Scene {
  repo = new TufRepository();
  /** Served instead of what was published; `undefined` for a file that has not arrived yet. */
  readonly served = new Map<string, Uint8Array | undefined>();
  readonly #root: string;
  #folder = '';
  #client!: TufClient;

  private constructor(root: string) {
    this.#root = root;
  }

  static async open(): Promise<TufScene> {
    return new TufScene(await mkdtemp(join(tmpdir(), 'skein-bad-tuf-')));
  }

  /** A device that has refreshed once. */
  async begin(draft: (repo: TufRepository) => void = () => undefined): Promise<void> {
    this.repo = new TufRepository();
    this.served.clear();
    draft(this.repo);
    this.#folder = await mkdtemp(join(this.#root, 'device-'));
    const disk = new NodeDisk({ root: this.#folder, onFsyncFailure: () => undefined });
    const pinnedRoot = this.repo.latest('root', 1) ?? new Uint8Array();
    this.#client = new TufClient({
      source: {
        fetch: async (name) =>
          this.served.has(name) ? this.served.get(name) : this.repo.serve(name),
      },
      store: new MetadataStore({ disk, folder: 'tuf', pinnedRoot }),
    });
    const refreshed = await this.refresh();
    if (refreshed !== 'ok') throw new Error(refreshed);
  }

  async refresh(nowMs = day0Ms): Promise<string> {
    return codeOfResult(await this.#client.refresh({ kind: 'trusted', nowMs }));
  }

  async lookup(path: string, expectedRole: string): Promise<string> {
    const repository = await this.#client.refresh({ kind: 'trusted', nowMs: day0Ms });
    return repository.ok
      ? codeOfResult(await repository.value.lookup(path, { expectedRole }))
      : repository.error.code;
  }

  async state(): Promise<string> {
    return hashOfLines(await filesBelow(this.#folder));
  }

  async close(): Promise<void> {
    await rm(this.#root, { recursive: true, force: true });
  }
}

/**
 * What is valid is kept even when what follows is not (5.4.5, 5.5.7): so the valid files arrive first, while the bad
 * one is still missing, and the attack is that one file alone.
 */
const lastly = async (scene: TufScene, name: string, bad?: Uint8Array): Promise<Attack> => {
  scene.served.set(name, undefined);
  await scene.refresh();
  if (bad === undefined) scene.served.delete(name);
  else scene.served.set(name, bad);
  return () => scene.refresh();
};

const chain: readonly ['targets', 'snapshot', 'timestamp'] = ['targets', 'snapshot', 'timestamp'];
type SignedRole = 'timestamp' | 'snapshot' | 'targets';
const fileOf = {
  timestamp: 'timestamp.json',
  snapshot: '2.snapshot.json',
  targets: '2.targets.json',
};

const unsigned = (role: SignedRole) => async (scene: TufScene) => {
  await scene.begin();
  scene.repo.draftOf(role).signers.clear();
  scene.repo.publish(...chain);
  return lastly(scene, fileOf[role]);
};

const expired = (role: SignedRole) => async (scene: TufScene) => {
  await scene.begin();
  scene.repo.draftOf(role).expiresAtMs = day0Ms - 1;
  scene.repo.publish(...chain);
  return lastly(scene, fileOf[role]);
};

const signatures: readonly BadCase<TufScene>[] = [
  {
    code: 'tuf-malformed-metadata',
    title: 'a timestamp is no metadata',
    prepare: async (scene) => {
      await scene.begin();
      return lastly(scene, 'timestamp.json', utf8('{"signed":{},"signatures":[]}'));
    },
  },
  {
    code: 'tuf-threshold-root',
    title: 'nobody signed the new root',
    prepare: async (scene) => {
      await scene.begin();
      scene.repo.root.signers.clear();
      scene.repo.publish('root');
      return () => scene.refresh();
    },
  },
  { code: 'tuf-threshold-timestamp', title: 'nobody signed it', prepare: unsigned('timestamp') },
  { code: 'tuf-threshold-snapshot', title: 'nobody signed it', prepare: unsigned('snapshot') },
  { code: 'tuf-threshold-targets', title: 'nobody signed them', prepare: unsigned('targets') },
  {
    code: 'tuf-expired-root',
    title: 'nobody renewed the root in time',
    prepare: async (scene) => {
      await scene.begin();
      return () => scene.refresh(day0Ms + 31 * dayMs);
    },
  },
  { code: 'tuf-expired-timestamp', title: 'it has run out', prepare: expired('timestamp') },
  { code: 'tuf-expired-snapshot', title: 'it has run out', prepare: expired('snapshot') },
  { code: 'tuf-expired-targets', title: 'they have run out', prepare: expired('targets') },
];

const versions: readonly BadCase<TufScene>[] = [
  {
    code: 'tuf-rollback-timestamp',
    title: 'a mirror serves an old timestamp',
    prepare: async (scene) => {
      await scene.begin((repo) => repo.publish('timestamp'));
      scene.repo.republishAt1('timestamp');
      return () => scene.refresh();
    },
  },
  {
    code: 'tuf-rollback-snapshot',
    title: 'a new timestamp lists an old snapshot',
    prepare: async (scene) => {
      await scene.begin((repo) => repo.publish('snapshot', 'timestamp'));
      scene.repo.republishAt1('snapshot');
      scene.repo.publish('timestamp');
      return () => scene.refresh();
    },
  },
  {
    code: 'tuf-rollback-targets',
    title: 'a new snapshot lists old targets',
    prepare: async (scene) => {
      await scene.begin((repo) => repo.publish(...chain));
      scene.repo.republishAt1('targets');
      scene.repo.publish('snapshot', 'timestamp');
      return lastly(scene, '3.snapshot.json');
    },
  },
  {
    code: 'tuf-version-mismatch',
    title: 'an old snapshot comes under the name of the new one',
    prepare: async (scene) => {
      await scene.begin();
      scene.repo.publish('snapshot', 'timestamp');
      return lastly(scene, '2.snapshot.json', scene.repo.latest('snapshot', 1));
    },
  },
  {
    code: 'tuf-hash-mismatch',
    title: 'a snapshot has one byte more than was listed',
    prepare: async (scene) => {
      await scene.begin((repo) => {
        repo.listsHashes = true;
      });
      scene.repo.publish('snapshot', 'timestamp');
      const longer = concatBytes([scene.repo.latest('snapshot') ?? utf8(''), utf8(' ')]);
      return lastly(scene, '2.snapshot.json', longer);
    },
  },
];

const delegations: readonly BadCase<TufScene>[] = [
  {
    code: 'tuf-too-many-delegations',
    title: 'a target lies behind a chain of roles without end',
    prepare: async (scene) => {
      await scene.begin((repo) => {
        const names = Array.from({ length: limits.tufDelegationsMax + 1 }, (_, n) => `role-${n}`);
        for (const [n, name] of names.entries()) {
          repo.addDelegation(n === 0 ? 'targets' : `role-${n - 1}`, { name });
        }
        repo.publish(...names, ...chain);
      });
      // The roles on the way are valid and are kept, so another search has fetched them before.
      await scene.lookup('elsewhere', 'targets');
      return () => scene.lookup('far-away', 'targets');
    },
  },
  {
    code: 'tuf-unexpected-role',
    title: 'a delegated role signs for a path that is not its own',
    prepare: async (scene) => {
      await scene.begin((repo) => {
        repo.addDelegation('targets', { name: 'extra' });
        repo.addArtifact('extra', 'adder', 'manifest');
        repo.publish('extra', ...chain);
      });
      await scene.lookup('elsewhere', 'targets');
      return () => scene.lookup('adder', 'targets');
    },
  },
];

export const tuf = atDoor({
  name: 'metadata to the device',
  open: () => TufScene.open(),
  cases: [...signatures, ...versions, ...delegations],
});
