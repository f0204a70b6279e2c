import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Result } from '../../shared/core/result.ts';
import type { TufFailure } from '../../shared/trust/tuf/failure.ts';
import type { TargetFile } from '../../shared/trust/tuf/metadata.ts';
import { receiveTarget } from '../../shared/trust/tuf/receive-target.ts';

/** Downloaded targets, one flat file each; a file stands under its name only once it is verified. */
export class TargetFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Whether the target lies here with the signed length and hashes. */
  async holds(target: TargetFile): Promise<boolean> {
    const path = this.#pathOf(target);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() !== true || found.size !== target.length) return false;
    const checked = await receiveTarget(target, createReadStream(path), () => undefined);
    return checked.ok;
  }

  /** Streams into a temporary file beside the final one, and renames when length and hashes agree. */
  async receive(
    target: TargetFile,
    body: AsyncIterable<Uint8Array>,
  ): Promise<Result<TargetFile, TufFailure>> {
    await mkdir(this.#folder, { recursive: true });
    const path = this.#pathOf(target);
    const temporary = join(this.#folder, `.skein-${process.pid}.part`);
    try {
      const file = await open(temporary, 'w');
      const received = await receiveInto(file, target, body);
      if (received.ok) await rename(temporary, path);
      return received;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /** Percent-encoded whole, so that no path leaves the folder; a leading dot would hide the file or climb. */
  #pathOf({ path }: TargetFile): string {
    return join(this.#folder, encodeURIComponent(path).replace(/^\./, '%2E'));
  }
}

async function receiveInto(
  file: FileHandle,
  target: TargetFile,
  body: AsyncIterable<Uint8Array>,
): Promise<Result<TargetFile, TufFailure>> {
  try {
    const received = await receiveTarget(target, body, async (bytes) => {
      await file.writeFile(bytes);
    });
    if (received.ok) await file.sync();
    return received;
  } finally {
    await file.close();
  }
}
