import { mkdir, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { NodeDisk } from '../../shared/adapters/disk/node-disk.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import { ok, type Result } from '../../shared/core/result.ts';
import type { TufFailure } from '../../shared/trust/tuf/failure.ts';
import { remoteTargetPath } from '../../shared/trust/tuf/metadata-name.ts';
import { MetadataStore } from '../../shared/trust/tuf/metadata-store.ts';
import type { TrustedRepository } from '../../shared/trust/tuf/trusted-repository.ts';
import { TufClient } from '../../shared/trust/tuf/tuf-client.ts';
import { verifyFirstRoot } from '../../shared/trust/tuf/verify-metadata.ts';
import { httpBody, httpMetadataSource } from './http-get.ts';
import { TargetFolder } from './target-folder.ts';

export type TufRequest =
  | { readonly verb: 'init'; readonly metadataDir: string; readonly rootFile: string }
  | { readonly verb: 'refresh'; readonly metadataDir: string; readonly metadataUrl: string }
  | ({ readonly verb: 'download' } & DownloadRequest);

interface DownloadRequest {
  readonly metadataDir: string;
  readonly metadataUrl: string;
  /** In this order, stopping at the first that fails. */
  readonly targetNames: readonly string[];
  readonly targetBaseUrl: string;
  readonly targetDir: string;
}

export interface TufSurroundings {
  /** The operator's own clock, trusted here: 5.1. */
  readonly nowMs: () => number;
  /** Takes one line that says why the command failed. */
  readonly explain: (line: string) => void;
}

/** Performs one verb: 0 when all of it was done, 1 on any failure. */
export async function runTufCommand(
  request: TufRequest,
  { nowMs, explain }: TufSurroundings,
): Promise<0 | 1> {
  try {
    const done = await perform(request, nowMs());
    if (done.ok) return 0;
    explain(`${done.error.code}: ${done.error.subject}: ${done.error.message}`);
  } catch (error) {
    explain(`${codeOf(error)}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return 1;
}

async function perform(request: TufRequest, nowMs: number): Promise<Result<unknown, TufFailure>> {
  const store = await openStore(request.metadataDir);
  if (request.verb === 'init') {
    const root = verifyFirstRoot(await readFile(request.rootFile));
    if (root.ok) await store.writeRoot(root.value);
    return root;
  }
  const source = httpMetadataSource(request.metadataUrl);
  const refreshed = await new TufClient({ source, store }).refresh({ kind: 'trusted', nowMs });
  if (!refreshed.ok || request.verb === 'refresh') return refreshed;
  return downloadAll(request, refreshed.value);
}

async function openStore(metadataDir: string): Promise<MetadataStore> {
  await mkdir(metadataDir, { recursive: true });
  const disk = new NodeDisk({
    root: resolve(metadataDir),
    onFsyncFailure: () => process.abort(),
  });
  return new MetadataStore({ disk, folder: '' });
}

async function downloadAll(
  request: DownloadRequest,
  trusted: TrustedRepository,
): Promise<Result<unknown, TufFailure>> {
  const folder = new TargetFolder(request.targetDir);
  for (const name of request.targetNames) {
    const found = await trusted.lookup(name);
    if (!found.ok) return found;
    const { target } = found.value;
    // 5.7.3 is skipped for a target that is already here, whole.
    if (await folder.holds(target)) continue;
    const path = remoteTargetPath(target, trusted.root.consistentSnapshot);
    const body = await httpBody(request.targetBaseUrl, path, limits.tufTargetTimeoutMs);
    const received = await folder.receive(target, body);
    if (!received.ok) return received;
  }
  return ok(undefined);
}
