import { join } from 'node:path';
import type { ErrorCode } from '../../shared/contracts/error-codes.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { TufCode } from '../../shared/trust/tuf/failure.ts';
import type { Root, SignedFile } from '../../shared/trust/tuf/metadata.ts';
import { verifyFirstRoot, verifyNextRoot } from '../../shared/trust/tuf/verify-metadata.ts';
import {
  readOptional,
  readTrustedRoot,
  trustedRootPath,
  type Workspace,
  writeDurably,
} from './workspace.ts';

export interface PublishProblem {
  readonly code: ErrorCode | TufCode;
  readonly message: string;
}

/** Makes `<version>.root.json` be served, and answers only when it is. Repeating it with the same bytes is harmless. */
export type ServeRoot = (name: string, bytes: Uint8Array) => Promise<Result<void, PublishProblem>>;

/**
 * A proposal becomes the root of trust when it meets its own threshold and, from version 2 on, the one before it. The
 * workspace remembers what it published.
 */
export async function publishRoot(
  home: Workspace,
  options: { readonly proposal: Uint8Array; readonly serve: ServeRoot },
): Promise<Result<SignedFile<Root>, PublishProblem>> {
  const { proposal, serve } = options;
  const verified = await verifyAgainstTrusted(home, proposal);
  if (!verified.ok) return verified;
  // Served first: a crash in between is repaired by publishing the same proposal again.
  const served = await serve(`${verified.value.body.version}.root.json`, proposal);
  if (!served.ok) return served;
  await writeDurably(trustedRootPath(home), proposal);
  return verified;
}

/** As whoever trusts this home's root would judge it; the very same root again is fine. */
export async function verifyAgainstTrusted(
  home: Workspace,
  bytes: Uint8Array,
): Promise<Result<SignedFile<Root>, PublishProblem>> {
  const trusted = await readTrustedRoot(home);
  const isSame = trusted !== undefined && Buffer.compare(trusted.bytes, bytes) === 0;
  const verified =
    trusted === undefined || isSame ? verifyFirstRoot(bytes) : verifyNextRoot(bytes, trusted.body);
  return verified.ok ? verified : err(verified.error);
}

/** Into a folder that a web server serves, or that is carried to a new server. */
export const serveInFolder =
  (folder: string): ServeRoot =>
  async (name, bytes) => {
    const path = join(folder, name);
    const before = await readOptional(path);
    if (before !== undefined && Buffer.compare(before, bytes) !== 0) {
      const message = `${path} exists with other content; a published root is never replaced`;
      return err({ code: 'root-already-published', message });
    }
    if (before === undefined) await writeDurably(path, bytes);
    return ok(undefined);
  };
