import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fixedTargets } from '../../fleet-server/core/repository/accept-targets.ts';
import { bytesOfHex, hexOf } from '../../shared/core/bytes.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Root } from '../../shared/trust/tuf/metadata.ts';
import { parseMetadata } from '../../shared/trust/tuf/parse-metadata.ts';
import { addSignature } from '../../shared/trust/tuf/repository.ts';
import { countSigners } from '../../shared/trust/tuf/signature.ts';
import { openKey } from '../keys/key-file.ts';
import { createOfflineSigner } from '../keys/offline-signer.ts';
import { readPassphrase } from '../keys/passphrase.ts';
import { keyIdOf } from '../keys/root-proposal.ts';
import { proposalPath, readKeyFile, type Workspace, writeDurably } from '../keys/workspace.ts';

export interface SigningKey {
  readonly file: string;
  readonly passphraseFile: string | undefined;
}

export interface SigningProblem {
  readonly code: 'key-unreadable' | 'wrong-passphrase' | 'share-unlisted';
  readonly message: string;
}

/**
 * Adds the signature of each share to a targets file, one after the other; a seed is wiped before the next one is
 * opened. Everything that needs a network or a native library has happened before.
 */
export async function signTargets(
  unsigned: Uint8Array,
  options: { readonly root: Root; readonly keys: readonly SigningKey[] },
): Promise<Result<Uint8Array, SigningProblem>> {
  const { root, keys } = options;
  let file = unsigned;
  for (const { file: path, passphraseFile } of keys) {
    const share = await readKeyFile(path);
    if (!share.ok || share.value.role !== 'targets') {
      const message = share.ok ? `${path} is a ${share.value.role} key` : share.error;
      return err({ code: 'key-unreadable', message });
    }
    const keyId = keyIdOf(bytesOfHex(share.value.publicKey) ?? new Uint8Array(32));
    if (root.roles.get('targets')?.keyIds.includes(keyId) !== true) {
      const message = `root ${root.version} does not list ${path} for targets`;
      return err({ code: 'share-unlisted', message });
    }
    const prompt = `Passphrase for targets-${share.value.holder}: `;
    const seed = openKey(share.value, await readPassphrase({ file: passphraseFile, prompt }));
    if (!seed.ok) return err({ code: 'wrong-passphrase', message: `${path} does not open` });
    const signer = createOfflineSigner(seed.value);
    seed.value.fill(0);
    if (hexOf(signer.publicKey) !== share.value.publicKey) {
      return err({ code: 'key-unreadable', message: `${path} holds another key than it says` });
    }
    file = addSignature(file, signer.sign);
  }
  return ok(file);
}

/** How far a file has come: signatures of different shares, and how many root asks for. */
export function signaturesOn(
  file: Uint8Array,
  root: Root,
): { readonly count: number; readonly needed: number } {
  const parsed = parseMetadata('targets', file);
  const role = root.roles.get('targets');
  if (!parsed.ok || role === undefined) return { count: 0, needed: 1 };
  return { count: countSigners(parsed.value, root, role), needed: role.threshold };
}

/** Where a signed targets file and its new fixed targets wait for `bundle publish`, or for another holder. */
export async function writeProposal(
  home: Workspace,
  file: Uint8Array,
  fixed: ReadonlyMap<string, Uint8Array>,
): Promise<string> {
  for (const name of fixedTargets) {
    const bytes = fixed.get(name);
    const path = fixedProposalPath(home, name);
    // What an earlier proposal left there belongs to another file.
    await (bytes === undefined ? rm(path, { force: true }) : writeDurably(path, bytes));
  }
  const path = proposalPath(home, 'targets');
  await writeDurably(path, file);
  return path;
}

export const fixedProposalPath = (home: Workspace, name: string): string =>
  join(home.folder, 'proposals', 'targets', name);
