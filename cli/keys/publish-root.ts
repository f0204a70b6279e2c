import { join } from 'node:path';
import { err, ok, type Result } from '../../shared/core/result.ts';
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
  readonly code: string;
  readonly message: string;
}

/**
 * A proposal becomes the root of trust when it meets its own threshold and, from version 2 on, the one before it.
 * `folder` serves metadata (`<version>.root.json`); the workspace remembers what it published.
 */
export async function publishRoot(
  home: Workspace,
  options: { readonly proposal: Uint8Array; readonly folder: string },
): Promise<Result<SignedFile<Root>, PublishProblem>> {
  const trusted = await readTrustedRoot(home);
  const verified =
    trusted === undefined
      ? verifyFirstRoot(options.proposal)
      : verifyNextRoot(options.proposal, trusted.body);
  if (!verified.ok) return err(verified.error);
  const { version } = verified.value.body;
  const path = join(options.folder, `${version}.root.json`);
  const before = await readOptional(path);
  if (before !== undefined && Buffer.compare(before, options.proposal) !== 0) {
    const message = `${path} exists with other content; a published root is never replaced`;
    return err({ code: 'root-already-published', message });
  }
  // The served file first: a crash in between is repaired by publishing the same proposal again.
  if (before === undefined) await writeDurably(path, options.proposal);
  await writeDurably(trustedRootPath(home), options.proposal);
  return ok(verified.value);
}
