import { link, mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { FolderBlobStore } from '../../fleet-server/adapters/blobs/folder-blob-store.ts';
import { openMemoryStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import type { Store } from '../../fleet-server/ports/store.ts';
import { ImageRepository } from '../../fleet-server/runner/image-repository.ts';
import { systemClock } from '../../shared/adapters/clock/system-clock.ts';
import { NodeDisk } from '../../shared/adapters/disk/node-disk.ts';
import { cryptoRandom } from '../../shared/adapters/random/crypto-random.ts';
import type { OnnxAllowance } from '../../shared/codec/onnx-allowance.ts';
import { streamOf } from '../../shared/core/byte-stream.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { KeyStore } from '../../shared/ports/key-store.ts';
import { writeDurably } from '../keys/workspace.ts';
import type { Publisher } from './publisher.ts';

/**
 * A repository as a folder that any web server can serve: `tuf/` and `v2/<name>/{manifests,blobs}/<digest>`. The rules
 * are the server's, run here; the folder's own files are its memory.
 */
export class FolderPublisher implements Publisher {
  readonly #folder: string;
  readonly #store: Store;
  readonly #repository: ImageRepository;
  /** Written already, by name; the timestamp alone is ever written again. */
  readonly #known: Set<string>;

  private constructor(folder: string, store: Store, opened: OpenedFolder) {
    this.#folder = folder;
    this.#store = store;
    this.#repository = opened.repository;
    this.#known = opened.known;
  }

  /** The folder must hold the first root as `tuf/<version>.root.json`: `skein keys publish` puts it there. */
  static async open(folder: string, rules: FolderRules): Promise<FolderPublisher> {
    const root = resolve(folder);
    await mkdir(join(root, 'blobs'), { recursive: true });
    const { store } = openMemoryStore(null);
    return new FolderPublisher(root, store, await openFolder(root, store, rules));
  }

  get repository(): ImageRepository {
    return this.#repository;
  }

  async putBlob(name: string, digest: Digest, bytes: Uint8Array): Promise<'sent' | 'known'> {
    const put = await this.#repository.putBlob(digest, streamOf(bytes));
    if (!put.ok) throw new OperatingError(put.error.code, put.error.message);
    const known = await Promise.all(
      ['blobs', 'manifests'].map((kind) => this.#link(join('v2', name, kind, digest), digest)),
    );
    return known.includes('sent') ? 'sent' : 'known';
  }

  async putFixed(name: string, bytes: Uint8Array): Promise<void> {
    const put = await this.#repository.putFixedTarget(name, bytes);
    if (!put.ok) throw new OperatingError(put.error.code, put.error.message);
  }

  async putMetadata(name: string, bytes: Uint8Array): Promise<void> {
    const upload = { name, bytes, actor: 'folder' };
    const published = await this.#repository.publishMetadata(upload);
    if (!published.ok) throw new OperatingError(published.error.code, published.error.message);
    await this.writeOut();
  }

  /** The timestamp last: until then a client sees the repository as it was. */
  async writeOut(): Promise<void> {
    const names = await this.#store.read((view) => view.tufFiles.listNames());
    const news = names.filter((name) => !this.#known.has(name) && name !== 'timestamp.json');
    for (const name of [...news, ...names.filter((each) => each === 'timestamp.json')]) {
      const bytes = await this.#repository.readMetadata(name);
      if (bytes !== undefined) await writeDurably(join(this.#folder, 'tuf', name), bytes);
      this.#known.add(name);
    }
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  async #link(to: string, digest: Digest): Promise<'sent' | 'known'> {
    const hex = digest.slice('sha256:'.length);
    const from = join(this.#folder, 'blobs', 'sha256', hex.slice(0, 2), hex);
    await mkdir(dirname(join(this.#folder, to)), { recursive: true });
    try {
      await link(from, join(this.#folder, to));
      return 'sent';
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return 'known';
      throw new OperatingError('disk-failed', `${to} could not be linked`, { cause: error });
    }
  }
}

interface OpenedFolder {
  readonly repository: ImageRepository;
  readonly known: Set<string>;
}

export interface FolderRules {
  /** Snapshot and timestamp are signed here. */
  readonly keys: KeyStore;
  readonly onnx?: OnnxAllowance;
}

async function openFolder(
  root: string,
  store: Store,
  { keys, onnx = {} }: FolderRules,
): Promise<OpenedFolder> {
  const files = await readTufFiles(join(root, 'tuf'));
  const [firstName] = [...files.keys()]
    .filter((name) => name.endsWith('.root.json'))
    .sort(byVersion);
  const firstRoot = files.get(firstName ?? '');
  if (firstRoot === undefined) {
    throw new OperatingError('tuf-no-root', `${join(root, 'tuf')} holds no <version>.root.json`);
  }
  await store.transaction(async (tx) => {
    for (const [name, bytes] of files) await tx.tufFiles.put({ name, bytes, storedAtMs: 0 });
  });
  const disk = new NodeDisk({ root: join(root, 'blobs'), onFsyncFailure: () => process.abort() });
  const blobs = await FolderBlobStore.open(disk, cryptoRandom);
  const ports = { store, blobs, keys, clock: systemClock };
  const repository = await ImageRepository.open(ports, { firstRoot, onnx });
  return { repository, known: new Set(files.keys()) };
}

async function readTufFiles(folder: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const prefix of ['', 'targets/']) {
    const names = await readdir(join(folder, prefix)).catch(() => []);
    for (const name of names.filter((each) => each.endsWith('.json')).sort()) {
      files.set(prefix + name, await readFile(join(folder, prefix, name)));
    }
  }
  return files;
}

const byVersion = (a: string, b: string): number => Number.parseInt(a) - Number.parseInt(b);
