import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDecoder } from '../../shared/codec/validator.ts';
import { type Static, Type } from '../../shared/contracts/json-schema.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { DigestSchema, InstantMsSchema } from '../../shared/contracts/names.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { digestOfHash, startSha256 } from '../../shared/trust/hash.ts';

const closed = { additionalProperties: false } as const;

/** `backup.json`, written last: a folder without it is no backup. Blobs need no entry; their names are their hashes. */
const BackupListSchema = Type.Object(
  {
    format: Type.Literal('skein-backup/1'),
    takenAtMs: InstantMsSchema,
    files: Type.Array(
      Type.Object(
        {
          path: Type.String({
            pattern: '^([a-z]+/)?[A-Za-z0-9][A-Za-z0-9._-]{0,127}$',
            maxLength: 160,
          }),
          digest: DigestSchema,
        },
        closed,
      ),
      { maxItems: limits.backupFilesMax },
    ),
  },
  closed,
);
export type BackupList = Static<typeof BackupListSchema>;

export const listName = 'backup.json';
export const storeName = 'skein.db';
export const rootName = 'first-root.json';

const decode = createDecoder(BackupListSchema, limits.backupListBytesMax);

/** Throws `backup-incomplete` where there is no list, and `backup-altered` where it is none of ours. */
export async function readBackupList(folder: string): Promise<BackupList> {
  const bytes = await readFile(join(folder, listName)).catch((cause: unknown) => {
    throw new OperatingError('backup-incomplete', `${folder} has no ${listName}`, { cause });
  });
  const list = decode(bytes);
  if (list.ok) return list.value;
  throw new OperatingError('backup-altered', `${listName}: ${list.error.message}`);
}

/** Place of a blob below a blob folder, as the folder adapter lays it out. */
export const blobPath = (digest: Digest): string => {
  const hex = digest.slice('sha256:'.length);
  return join('blobs', 'sha256', hex.slice(0, 2), hex);
};

/** Reads a file piece by piece. `undefined` where it is not there. */
export async function digestOfFile(path: string): Promise<Digest | undefined> {
  const hash = startSha256();
  try {
    for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return digestOfHash(hash.digest());
}
