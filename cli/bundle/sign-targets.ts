import { join } from 'node:path';
import { hexOf } from '../../shared/core/bytes.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { JsonObject } from '../../shared/trust/strict-json.ts';
import { addSignature, signBody } from '../../shared/trust/tuf/repository.ts';
import { openKey } from '../keys/key-file.ts';
import { createOfflineSigner } from '../keys/offline-signer.ts';
import { readPassphrase } from '../keys/passphrase.ts';
import { proposalPath, readKeyFile, type Workspace, writeDurably } from '../keys/workspace.ts';

export interface SigningKey {
  readonly file: string;
  readonly passphraseFile: string | undefined;
}

export interface SigningProblem {
  readonly code: 'key-unreadable' | 'wrong-passphrase';
  readonly message: string;
}

/**
 * Signs one body with each share, one after the other; a seed is wiped before the next one is opened. Everything that
 * needs a network or a native library has happened before.
 */
export async function signTargets(
  body: JsonObject,
  keys: readonly SigningKey[],
): Promise<Result<Uint8Array, SigningProblem>> {
  let file = signBody(body, []);
  for (const { file: path, passphraseFile } of keys) {
    const share = await readKeyFile(path);
    if (!share.ok || share.value.role !== 'targets') {
      const message = share.ok ? `${path} is a ${share.value.role} key` : share.error;
      return err({ code: 'key-unreadable', message });
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

/** Where a signed targets file and its new fixed targets wait for `bundle publish`. */
export async function writeProposal(
  home: Workspace,
  file: Uint8Array,
  fixed: ReadonlyMap<string, Uint8Array>,
): Promise<string> {
  for (const [name, bytes] of fixed) await writeDurably(fixedProposalPath(home, name), bytes);
  const path = proposalPath(home, 'targets');
  await writeDurably(path, file);
  return path;
}

export const fixedProposalPath = (home: Workspace, name: string): string =>
  join(home.folder, 'proposals', 'targets', name);
