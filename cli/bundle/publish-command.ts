import type { Command } from 'commander';
import { fixedTargets } from '../../fleet-server/core/repository/accept-targets.ts';
import { parseMetadata } from '../../shared/trust/tuf/parse-metadata.ts';
import { exitCodes } from '../exit-code.ts';
import { proposalPath, readOptional, type Workspace } from '../keys/workspace.ts';
import { type AllowanceFlags, allowanceIn, withAllowance } from './allow-onnx.ts';
import { checkLayout } from './check-layout.ts';
import { orEnd, readToken, valueOrEnd } from './command-end.ts';
import { answer, endWith, type OutputForm, withOutput } from './output.ts';
import type { Publisher } from './publisher.ts';
import { fixedProposalPath } from './sign-targets.ts';

interface PublishFlags extends AllowanceFlags {
  readonly server?: string;
  readonly tokenFile?: string;
  readonly to?: string;
  readonly onlineKeys?: string;
  readonly passphraseFile?: string;
  readonly output: OutputForm;
}

/** `skein bundle publish`: blobs first, then fixed targets, the signed file last; repeating it is harmless. */
export function registerPublish(bundle: Command, home: () => Workspace): void {
  withAllowance(
    withOutput(
      bundle
        .command('publish [layouts...]')
        .description('publish the signed targets file with the bundles it names')
        .option('--server <url>', 'a fleet server')
        .option('--token-file <file>', 'API token for it')
        .option('--to <folder>', 'or a folder that a web server serves')
        .option('--online-keys <folder>', 'snapshot and timestamp keys for --to')
        .option('--passphrase-file <file>', 'opens the online keys'),
    ),
  ).action((layouts: string[], flags: PublishFlags) =>
    orEnd(() => publish(home(), layouts, flags)),
  );
}

async function publish(
  home: Workspace,
  layouts: readonly string[],
  flags: PublishFlags,
): Promise<void> {
  const proposal = await readOptional(proposalPath(home, 'targets'));
  if (proposal === undefined) {
    return endWith(exitCodes.notFound, 'nothing is signed: run skein bundle sign first');
  }
  const { version } = valueOrEnd(parseMetadata('targets', proposal)).body;
  const bundles = [];
  const allow = allowanceIn(flags);
  for (const layout of layouts) bundles.push(valueOrEnd(await checkLayout(layout, allow)));
  const publisher = await openPublisher(flags);
  const counts = { sent: 0, known: 0 };
  try {
    for (const { config, digest, manifest, blobs } of bundles) {
      for (const [blob, bytes] of [...blobs, [digest, manifest] as const]) {
        counts[await publisher.putBlob(config.name, blob, bytes)] += 1;
      }
    }
    for (const name of fixedTargets) {
      const bytes = await readOptional(fixedProposalPath(home, name));
      if (bytes !== undefined) await publisher.putFixed(name, bytes);
    }
    await publisher.putMetadata(`${version}.targets.json`, proposal);
  } finally {
    await publisher.close();
  }
  answer(flags.output, { version, blobs: counts }, [
    ['targets', `version ${version} is published`],
    ['blobs', `${counts.sent} sent, ${counts.known} were there`],
  ]);
}

async function openPublisher(flags: PublishFlags): Promise<Publisher> {
  const { server, to, onlineKeys } = flags;
  if (server !== undefined && to === undefined) {
    const { HttpPublisher } = await import('./http-publisher.ts');
    const token = await readToken(flags.tokenFile);
    if (token === undefined) return endWith(exitCodes.usage, '--server needs --token-file');
    return new HttpPublisher({ origin: server, token });
  }
  if (to === undefined || server !== undefined || onlineKeys === undefined) {
    return endWith(exitCodes.usage, 'say --server with --token-file, or --to with --online-keys');
  }
  const { FolderPublisher } = await import('./folder-publisher.ts');
  const { FileKeyStore } = await import('../../fleet-server/adapters/keys/file-key-store.ts');
  const passphrase = await readToken(flags.passphraseFile);
  const options = { folder: onlineKeys, ...(passphrase === undefined ? {} : { passphrase }) };
  const keys = await FileKeyStore.open(options);
  return FolderPublisher.open(to, { keys, onnx: allowanceIn(flags) });
}
