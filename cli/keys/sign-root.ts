import { parseMetadata } from '../../shared/trust/tuf/parse-metadata.ts';
import { addSignature } from '../../shared/trust/tuf/repository.ts';
import { countSigners } from '../../shared/trust/tuf/signature.ts';
import { valueOrEnd } from '../bundle/command-end.ts';
import { answer, endWith, type OutputForm } from '../bundle/output.ts';
import { exitCodes } from '../exit-code.ts';
import { openKey } from './key-file.ts';
import { createOfflineSigner } from './offline-signer.ts';
import { readPassphrase } from './passphrase.ts';
import { differencesOfRoots } from './root-differences.ts';
import { fingerprint } from './root-proposal.ts';
import {
  readKeyFile,
  readOptional,
  readTrustedRoot,
  type Workspace,
  writeDurably,
} from './workspace.ts';

export interface SignFlags {
  readonly key: string;
  readonly passphraseFile?: string;
  readonly output: OutputForm;
}

/**
 * One signature of one root share. What the proposal changes against the root that this home trusts is shown before the
 * passphrase is asked for. Root shares sign roots and nothing else; targets are signed by `skein bundle sign`, which
 * knows what was published.
 */
export async function signRoot(home: Workspace, path: string, flags: SignFlags): Promise<void> {
  const proposal = await readOptional(path);
  if (proposal === undefined) return endWith(exitCodes.notFound, `no proposal ${path}`);
  const { body } = valueOrEnd(parseMetadata('root', proposal));
  const file = await readKeyFile(flags.key);
  if (!file.ok) return endWith(exitCodes.usage, file.error);
  const { role, holder } = file.value;
  if (role !== 'root')
    endWith(exitCodes.usage, `${flags.key} is a ${role} key; root keys sign root`);
  const trusted = (await readTrustedRoot(home))?.body;
  const differences = differencesOfRoots(trusted, body);
  const against = trusted === undefined ? 'no root' : `root ${trusted.version}`;
  console.error(`root ${body.version}, compared with ${against} that this home trusts:`);
  for (const [subject, change] of differences) console.error(`  ${subject}  ${change}`);
  const prompt = `Passphrase for ${role}-${holder}: `;
  const passphrase = await readPassphrase({ file: flags.passphraseFile, prompt });
  const seed = openKey(file.value, passphrase);
  if (!seed.ok) {
    return endWith(exitCodes.auth, `wrong passphrase for ${flags.key}, or the file was changed`);
  }
  const signer = createOfflineSigner(seed.value);
  seed.value.fill(0);
  const signed = addSignature(proposal, signer.sign);
  await writeDurably(path, signed);
  const by = `${role}-${holder}`;
  const print = fingerprint(signer.publicKey);
  const own = valueOrEnd(parseMetadata('root', signed));
  const listed = body.roles.get('root') ?? { keyIds: [], threshold: 0 };
  const count = countSigners(own, body, listed);
  const needed = listed.threshold;
  answer(flags.output, { proposal: path, signedBy: by, fingerprint: print, count, needed }, [
    ['proposal', path],
    ['signed by', `${by} (${print})`],
    ['signatures', `${count} of ${needed}`],
  ]);
}
