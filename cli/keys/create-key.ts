import { randomBytes } from 'node:crypto';
import { utf8 } from '../../shared/core/bytes.ts';
import { answer, endWith, type OutputForm } from '../bundle/output.ts';
import { exitCodes } from '../exit-code.ts';
import { offlineRoles, sealKey } from './key-file.ts';
import { createOfflineSigner } from './offline-signer.ts';
import { readPassphrase } from './passphrase.ts';
import { fingerprint, keyIdOf } from './root-proposal.ts';
import { jsonBytes, keyPath, publicKeyPath, type Workspace, writeDurably } from './workspace.ts';

export interface CreateFlags {
  readonly role: string;
  readonly holder: string;
  readonly passphraseFile?: string;
  readonly output: OutputForm;
}

/** One share, where its holder is: only the public key leaves this machine. */
export async function createKey(home: Workspace, flags: CreateFlags): Promise<void> {
  const { holder, output } = flags;
  const role =
    offlineRoles.find((known) => known === flags.role) ??
    endWith(exitCodes.usage, `--role is ${offlineRoles.join(' or ')}, not ${flags.role}`);
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(holder)) {
    endWith(exitCodes.usage, '--holder is made of a-z, 0-9 and hyphens, 32 at most');
  }
  const passphrase = await readPassphrase({
    file: flags.passphraseFile,
    prompt: `Passphrase for ${role}-${holder}: `,
  });
  if (passphrase.length < 8) endWith(exitCodes.usage, 'a passphrase has at least 8 characters');
  const seed = randomBytes(32);
  const { publicKey } = createOfflineSigner(seed);
  const file = sealKey({ role, holder, passphrase, nowMs: Date.now(), seed, publicKey });
  seed.fill(0);
  const path = keyPath(home, role, holder);
  try {
    await writeDurably(path, jsonBytes(file), { mode: 0o600, exclusive: true });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      endWith(exitCodes.conflict, `${path} exists; a key share is never overwritten`);
    }
    throw error;
  }
  const publicPath = publicKeyPath(home, role, holder);
  await writeDurably(publicPath, utf8(`${file.publicKey}\n`));
  const keyId = keyIdOf(publicKey);
  const shown = fingerprint(publicKey);
  const made = { path, publicPath, publicKey: file.publicKey, keyId, fingerprint: shown };
  answer(output, made, [
    ['share', path],
    ['public key', publicPath],
    ['key id', keyId],
    ['fingerprint', shown],
  ]);
  console.error(`next, where root is proposed: skein keys propose --add ${role}:${publicPath}`);
}
