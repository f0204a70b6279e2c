import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { bytesOfHex } from '../../shared/core/bytes.ts';
import type { TopLevelRole } from '../../shared/trust/tuf/metadata.ts';
import { addSignature } from '../../shared/trust/tuf/repository.ts';
import { outputOption } from '../api/output-option.ts';
import { CommandEnded, type ExitCode, exitCodes } from '../exit-code.ts';
import { type OfflineRole, offlineRoles, openKey, sealKey } from './key-file.ts';
import { createOfflineSigner } from './offline-signer.ts';
import { readPassphrase } from './passphrase.ts';
import { publishRoot } from './publish-root.ts';
import { fingerprint, keyIdOf, proposeRoot, type RootChange } from './root-proposal.ts';
import {
  jsonBytes,
  keyPath,
  proposalPath,
  readKeyFile,
  readOptional,
  readTrustedRoot,
  type Workspace,
  writeDurably,
} from './workspace.ts';

const dayMs = 24 * 60 * 60 * 1000;

/** `skein keys`: the offline roles, share by share. Nothing here opens a socket. */
export function registerKeys(program: Command): void {
  const keys = program
    .command('keys')
    .description('offline keys: create, propose, sign, publish, rotate, revoke')
    .option('--home <folder>', "the operator's folder", '.skein');
  const home = (): Workspace => ({ folder: keys.opts<{ home: string }>().home });

  keys
    .command('create')
    .description('make one share of an offline role under its own passphrase')
    .requiredOption('--role <role>', offlineRoles.join(' or '))
    .requiredOption('--holder <name>', 'who keeps this share, such as 1 or alice')
    .option('--passphrase-file <file>', 'read the passphrase from a file')
    .addOption(outputOption())
    .action(async (flags: CreateFlags) =>
      createKey(home(), { ...flags, role: offlineRole(flags.role) }),
    );
  proposeOptions(
    keys.command('propose').description('propose new root metadata for signing'),
  ).action(async (flags: ProposeFlags) => propose(home(), flags));
  proposeOptions(
    keys.command('rotate').description('propose a root that replaces one key by another'),
  ).action(async (flags: ProposeFlags) => {
    if ((flags.remove ?? []).length === 0 || (flags.add ?? []).length === 0) {
      fail('rotate needs --remove and --add', exitCodes.usage);
    }
    await propose(home(), flags);
  });
  proposeOptions(
    keys
      .command('revoke')
      .description('propose a root without a key that must not be trusted any more'),
  ).action(async (flags: ProposeFlags) => {
    if ((flags.remove ?? []).length === 0) fail('revoke needs --remove', exitCodes.usage);
    await propose(home(), flags);
  });
  keys
    .command('sign')
    .description('add one signature to a proposal')
    .argument('[proposal]', 'the file to sign; the proposed root by default')
    .requiredOption('--key <file>', 'key share to sign with')
    .option('--passphrase-file <file>', 'read the passphrase from a file')
    .addOption(outputOption())
    .action(async (file: string | undefined, flags: SignFlags) =>
      signProposal(file ?? proposalPath(home(), 'root'), flags),
    );
  keys
    .command('publish')
    .description('publish the signed root into a metadata folder')
    .requiredOption('--to <folder>', 'folder that serves the metadata')
    .addOption(outputOption())
    .action(async (flags: PublishFlags) => publish(home(), flags));
}

interface Answering {
  readonly output: 'table' | 'json';
}

interface CreateFlags extends Answering {
  readonly role: string;
  readonly holder: string;
  readonly passphraseFile?: string;
}

interface SignFlags extends Answering {
  readonly key: string;
  readonly passphraseFile?: string;
}

interface PublishFlags extends Answering {
  readonly to: string;
}

interface ProposeFlags extends Answering {
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  readonly threshold?: readonly string[];
  readonly expiresDays: string;
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
];

const proposeOptions = (command: Command): Command =>
  command
    .option(
      '--add <role:key>',
      'a key file or 64 hexadecimal characters of a public key; may repeat',
      collect,
    )
    .option('--remove <role:keyid>', 'a key id; may repeat', collect)
    .option('--threshold <role:n>', 'signatures a role needs; may repeat', collect)
    .option('--expires-days <days>', 'life of the new root', '365')
    .addOption(outputOption());

async function createKey(
  home: Workspace,
  { output, ...flags }: CreateFlags & { readonly role: OfflineRole },
): Promise<void> {
  const passphrase = await readPassphrase({
    file: flags.passphraseFile,
    prompt: `Passphrase for ${flags.role}-${flags.holder}: `,
  });
  if (passphrase.length < 8) fail('a passphrase has at least 8 characters', exitCodes.usage);
  const seed = randomBytes(32);
  const { publicKey } = createOfflineSigner(seed);
  const file = sealKey({ ...flags, passphrase, nowMs: Date.now(), seed, publicKey });
  seed.fill(0);
  const path = keyPath(home, flags.role, flags.holder);
  try {
    await writeDurably(path, jsonBytes(file), { mode: 0o600, exclusive: true });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      fail(`${path} exists; a key share is never overwritten`, exitCodes.conflict);
    }
    throw error;
  }
  const made = {
    ...{ path, publicKey: file.publicKey, keyId: keyIdOf(publicKey) },
    fingerprint: fingerprint(publicKey),
  };
  const lines = [
    ...[path, `  public key  ${made.publicKey}`, `  key id      ${made.keyId}`],
    `  fingerprint ${made.fingerprint}`,
  ];
  answer({ output }, made, lines.join('\n'));
  console.error(`next: skein keys propose --add ${flags.role}:${path}`);
}

async function propose(home: Workspace, flags: ProposeFlags): Promise<void> {
  const current = await readTrustedRoot(home);
  const change: RootChange = {
    add: await Promise.all((flags.add ?? []).map(parseAddition)),
    remove: (flags.remove ?? []).map((text) => {
      const [role, keyId] = splitRole(text);
      return { role, keyId };
    }),
    thresholds: new Map(
      (flags.threshold ?? []).map((text) => {
        const [role, count] = splitRole(text);
        return [role, wholeNumber(count, '--threshold')] as const;
      }),
    ),
    expiresAtMs: Date.now() + wholeNumber(flags.expiresDays, '--expires-days') * dayMs,
  };
  const proposed = proposeRoot(current?.body, change);
  if (!proposed.ok) return fail(proposed.error.message, exitCodes.usage);
  const path = proposalPath(home, 'root');
  await writeDurably(path, proposed.value);
  const version = (current?.body.version ?? 0) + 1;
  answer(flags, { proposal: path, version }, `${path}: root version ${version}`);
  console.error(`next: each holder runs skein keys sign ${path} --key FILE`);
}

async function parseAddition(text: string): Promise<RootChange['add'][number]> {
  const [role, key] = splitRole(text);
  const inline = /^[0-9a-f]{64}$/.test(key) ? bytesOfHex(key) : undefined;
  if (inline !== undefined) return { role, publicKey: inline };
  const file = await readKeyFile(key);
  if (!file.ok) return fail(file.error, exitCodes.usage);
  if (file.value.role !== role) fail(`${key} is a ${file.value.role} key`, exitCodes.usage);
  return { role, publicKey: bytesOfHex(file.value.publicKey) ?? new Uint8Array(32) };
}

async function signProposal(path: string, flags: SignFlags): Promise<void> {
  const proposal = await readOptional(path);
  if (proposal === undefined) return fail(`no proposal ${path}`, exitCodes.notFound);
  const file = await readKeyFile(flags.key);
  if (!file.ok) return fail(file.error, exitCodes.usage);
  const passphrase = await readPassphrase({
    file: flags.passphraseFile,
    prompt: `Passphrase for ${file.value.role}-${file.value.holder}: `,
  });
  const seed = openKey(file.value, passphrase);
  if (!seed.ok)
    return fail(`wrong passphrase for ${flags.key}, or the file was changed`, exitCodes.auth);
  const signer = createOfflineSigner(seed.value);
  await writeDurably(path, addSignature(proposal, signer.sign));
  const by = `${file.value.role}-${file.value.holder}`;
  const print = fingerprint(signer.publicKey);
  answer(
    flags,
    { proposal: path, signedBy: by, fingerprint: print },
    `${path}: signed by ${by} (${print})`,
  );
}

async function publish(home: Workspace, flags: PublishFlags): Promise<void> {
  const folder = flags.to;
  const path = proposalPath(home, 'root');
  const published = await publishRoot(home, { proposal: await readFile(path), folder });
  if (!published.ok) return fail(published.error.message, exitCodes.signature);
  const { version } = published.value.body;
  answer(flags, { version, folder }, `root version ${version} is published in ${folder}`);
}

const answer = ({ output }: Answering, value: object, text: string): void =>
  console.log(output === 'json' ? JSON.stringify(value) : text);

function offlineRole(text: string): OfflineRole {
  const role = offlineRoles.find((candidate) => candidate === text);
  return role ?? fail(`--role is ${offlineRoles.join(' or ')}, not ${text}`, exitCodes.usage);
}

function splitRole(text: string): readonly [TopLevelRole, string] {
  const at = text.indexOf(':');
  const role = text.slice(0, at);
  if (role === 'root' || role === 'timestamp' || role === 'snapshot' || role === 'targets') {
    return [role, text.slice(at + 1)];
  }
  return fail(`${text} must start with root:, targets:, snapshot: or timestamp:`, exitCodes.usage);
}

function wholeNumber(text: string, flag: string): number {
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0
    ? value
    : fail(`${flag} takes a whole number above 0, not ${text}`, exitCodes.usage);
}

function fail(sentence: string, exitCode: ExitCode): never {
  console.error(`error: ${sentence}`);
  throw new CommandEnded(exitCode);
}
