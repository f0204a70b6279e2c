import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { NodeDisk } from '../../shared/adapters/disk/node-disk.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Targets } from '../../shared/trust/tuf/metadata.ts';
import { remoteTargetPath } from '../../shared/trust/tuf/metadata-name.ts';
import type { MetadataSource } from '../../shared/trust/tuf/metadata-source.ts';
import { MetadataStore } from '../../shared/trust/tuf/metadata-store.ts';
import { isTarget } from '../../shared/trust/tuf/receive-target.ts';
import type { TrustedRepository } from '../../shared/trust/tuf/trusted-repository.ts';
import { TufClient } from '../../shared/trust/tuf/tuf-client.ts';
import { readOptional, trustedRootPath, type Workspace } from '../keys/workspace.ts';
import { httpMetadataSource } from '../tuf/http-get.ts';

/** The operator's verified view of a repository, with the exact bytes of its top-level targets. */
export interface OperatorView {
  readonly repository: TrustedRepository;
  readonly targetsFile: Uint8Array;
}

/** The client workflow over one repository, with the operator's own memory of versions under `<home>/trust`. */
export interface OperatorTrust {
  readonly client: TufClient;
  readonly store: MetadataStore;
  readonly source: MetadataSource;
}

/** Throws `tuf-no-root` in a home that trusts no root yet. */
export async function openOperatorTrust(home: Workspace, where: string): Promise<OperatorTrust> {
  const pinnedRoot = await readOptional(trustedRootPath(home));
  if (pinnedRoot === undefined) {
    throw new OperatingError('tuf-no-root', `${trustedRootPath(home)} is missing`);
  }
  const disk = new NodeDisk({
    root: resolve(home.folder),
    onFsyncFailure: () => process.abort(),
  });
  const store = new MetadataStore({ disk, folder: 'trust', pinnedRoot });
  const source = sourceOf(where);
  return { client: new TufClient({ source, store }), store, source };
}

/**
 * The full client workflow: a base older than one that was seen before is refused here, whoever serves it. Throws the
 * failure's code as an OperatingError.
 */
export async function openOperatorView(
  home: Workspace,
  options: { readonly where: string; readonly nowMs: number },
): Promise<OperatorView> {
  const { client, store } = await openOperatorTrust(home, options.where);
  const refreshed = await client.refresh({ kind: 'trusted', nowMs: options.nowMs });
  if (!refreshed.ok) throw new OperatingError(refreshed.error.code, refreshed.error.message);
  const targetsFile = (await store.read('targets')) ?? new Uint8Array(0);
  return { repository: refreshed.value, targetsFile };
}

/** A fixed target such as `revoked.json` as it is served, checked against what targets says of it. */
export async function fetchFixed(
  source: MetadataSource,
  targets: Targets,
  name: string,
): Promise<Uint8Array> {
  const target = targets.targets.get(name);
  const bytesMax = limits.fixedTargetBytesMax;
  const bytes =
    target === undefined
      ? undefined
      : await source.fetch(`targets/${remoteTargetPath(target, true)}`, { bytesMax });
  if (target !== undefined && bytes !== undefined && isTarget(target, bytes)) return bytes;
  throw new OperatingError('tuf-target-mismatch', `${name} is not served as it was signed`);
}

/** A server by its URL, or a folder as `bundle publish --to` writes it. */
export function sourceOf(where: string): MetadataSource {
  return isUrl(where)
    ? httpMetadataSource(`${where.replace(/\/$/, '')}/tuf`)
    : { fetch: (name) => readBounded(join(where, 'tuf', decodeURIComponent(name))) };
}

export const isUrl = (where: string): boolean => /^https?:\/\//.test(where);

async function readBounded(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new OperatingError('fetch-failed', `${path} cannot be read`, { cause });
  }
}
