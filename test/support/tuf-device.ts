import type { MetadataSource } from '../../shared/trust/tuf/metadata-source.ts';
import { MetadataStore } from '../../shared/trust/tuf/metadata-store.ts';
import { TufClient } from '../../shared/trust/tuf/tuf-client.ts';
import { MemoryDisk } from '../../sim/world/memory-disk.ts';
import { day0Ms, type TufRepository } from './tuf-repository.ts';

/** A device that knows one root of the repository from its image, on a disk that can be damaged. */
export class TufDevice {
  readonly disk: MemoryDisk;
  readonly #repo: TufRepository;
  readonly #pinnedRoot: Uint8Array;

  constructor(
    repo: TufRepository,
    { disk = new MemoryDisk(), rootVersion = 1 }: { disk?: MemoryDisk; rootVersion?: number } = {},
  ) {
    this.#repo = repo;
    this.disk = disk;
    this.#pinnedRoot = repo.latest('root', rootVersion) ?? new Uint8Array();
  }

  /** A client as after a restart: nothing in memory but the image's root. */
  client(source: MetadataSource = sourceOf(this.#repo)): TufClient {
    const { disk } = this;
    const store = new MetadataStore({ disk, folder: 'tuf', pinnedRoot: this.#pinnedRoot });
    return new TufClient({ source, store });
  }

  refresh(nowMs: number = day0Ms): ReturnType<TufClient['refresh']> {
    return this.client().refresh({ kind: 'trusted', nowMs });
  }
}

export function sourceOf(repo: TufRepository): MetadataSource {
  return { fetch: (name) => Promise.resolve(repo.serve(name)) };
}
