import type { Command } from 'commander';
import { collect } from '../api/arguments.ts';
import { orEnd } from '../bundle/command-end.ts';
import { endWith, withOutput } from '../bundle/output.ts';
import { exitCodes } from '../exit-code.ts';
import { type CreateFlags, createKey } from './create-key.ts';
import { type ProposeFlags, propose } from './propose-command.ts';
import { type PublishFlags, publish, type TrustFlags, trust } from './publish-command.ts';
import { type SignFlags, signRoot } from './sign-root.ts';
import { proposalPath, type Workspace } from './workspace.ts';

/** `skein keys`: the offline roles, share by share. Only `publish --server` and nothing else here opens a socket. */
export function registerKeys(program: Command): void {
  const keys = program
    .command('keys')
    .description('offline keys: create, propose, sign, publish, trust, rotate, revoke')
    .option('--home <folder>', "the operator's folder", '.skein');
  const home = (): Workspace => ({ folder: keys.opts<{ home: string }>().home });

  withOutput(
    keys
      .command('create')
      .description('make one share of an offline role under its own passphrase')
      .requiredOption('--role <role>', 'root or targets')
      .requiredOption('--holder <name>', 'who keeps this share, such as 1 or alice')
      .option('--passphrase-file <file>', 'read the passphrase from a file'),
  ).action((flags: CreateFlags) => orEnd(() => createKey(home(), flags)));
  registerProposals(keys, home);
  withOutput(
    keys
      .command('sign')
      .description('show what a proposed root changes, and add one signature to it')
      .argument('[proposal]', 'the file to sign; the proposed root by default')
      .requiredOption('--key <file>', 'root key share to sign with')
      .option('--passphrase-file <file>', 'read the passphrase from a file'),
  ).action((file: string | undefined, flags: SignFlags) =>
    orEnd(() => signRoot(home(), file ?? proposalPath(home(), 'root'), flags)),
  );
  withOutput(
    keys
      .command('publish')
      .description('publish the signed root: to a running server, or into a metadata folder')
      .option('--server <url>', 'a fleet server that serves the root before this one')
      .option('--token-file <file>', 'API token for it')
      .option('--to <folder>', 'or a folder: that of a web server, or the way to a new server'),
  ).action((flags: PublishFlags) => orEnd(() => publish(home(), flags)));
  withOutput(
    keys
      .command('trust')
      .description('begin with, or go on to, a root that others have signed')
      .argument('<file>', 'root metadata')
      .requiredOption('--digest <sha256>', 'its digest, heard from a person and not from the file'),
  ).action((file: string, flags: TrustFlags) => orEnd(() => trust(home(), file, flags)));
}

function registerProposals(keys: Command, home: () => Workspace): void {
  proposeOptions(
    keys.command('propose').description('propose new root metadata for signing'),
  ).action((flags: ProposeFlags) => orEnd(() => propose(home(), flags)));
  proposeOptions(
    keys.command('rotate').description('propose a root that replaces one key by another'),
  ).action((flags: ProposeFlags) =>
    orEnd(async () => {
      const adds = flags.add ?? flags.online;
      if (adds === undefined || !removes(flags)) {
        endWith(exitCodes.usage, 'rotate needs --add or --online, and --remove or --remove-online');
      }
      await propose(home(), flags);
    }),
  );
  proposeOptions(
    keys
      .command('revoke')
      .description('propose a root without a key that must not be trusted any more'),
  ).action((flags: ProposeFlags) =>
    orEnd(async () => {
      if (!removes(flags)) endWith(exitCodes.usage, 'revoke needs --remove or --remove-online');
      await propose(home(), flags);
    }),
  );
}

const removes = ({ remove, removeOnline }: ProposeFlags): boolean =>
  (remove ?? removeOnline) !== undefined;

const proposeOptions = (command: Command): Command =>
  withOutput(
    command
      .option(
        '--add <role:key>',
        'a public key: its .pub file, a share, or 64 hexadecimal characters; may repeat',
        collect,
      )
      .option('--online <file>', "a server's public keys: adds its snapshot and timestamp")
      .option('--remove <role:key>', 'a key id, or the key as for --add; may repeat', collect)
      .option('--remove-online <file>', 'such a file of keys that go: its snapshot and timestamp')
      .option('--threshold <role:n>', 'signatures a role needs; may repeat', collect)
      .option('--expires-days <days>', 'life of the new root', '365'),
  );
