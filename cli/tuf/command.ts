import type { Command, CommanderError } from 'commander';
import { CommandEnded, exitCodes } from '../exit-code.ts';
import { runTufCommand, type TufRequest } from './run-tuf-command.ts';

interface TufFlags {
  readonly metadataDir: string;
  readonly metadataUrl?: string;
  readonly targetName?: readonly string[];
  readonly targetBaseUrl?: string;
  readonly targetDir?: string;
}

/**
 * `skein tuf`: the command line contract of the public TUF conformance suite. Flags stand before the verb, and every
 * failure, usage included, ends with 1.
 */
export function registerTuf(program: Command): void {
  const tuf = program
    .command('tuf')
    .description('update and download from any TUF repository (init, refresh, download)')
    .exitOverride(endWithOne)
    .requiredOption('--metadata-dir <folder>', 'folder of the trusted metadata')
    .option('--metadata-url <url>', 'where the repository serves its metadata')
    .option('--target-name <path>', 'a target to download; may be repeated', collectName)
    .option('--target-base-url <url>', 'where the repository serves its targets')
    .option('--target-dir <folder>', 'folder for downloaded targets');
  const flags = (): TufFlags => tuf.opts<TufFlags>();

  tuf
    .command('init <root-file>')
    .description('trust this root metadata; no network')
    .action(async (rootFile: string) => {
      const { metadataDir } = flags();
      await perform(tuf, { verb: 'init', metadataDir, rootFile });
    });
  tuf
    .command('refresh')
    .description('bring the top-level metadata up to date')
    .action(async () => {
      const { metadataDir, metadataUrl } = flags();
      await perform(tuf, { verb: 'refresh', metadataDir, metadataUrl: needFlag(tuf, metadataUrl) });
    });
  tuf
    .command('download')
    .description('refresh, then download the named targets')
    .action(async () => {
      const { metadataDir, metadataUrl, targetName, targetBaseUrl, targetDir } = flags();
      await perform(tuf, {
        verb: 'download',
        metadataDir,
        metadataUrl: needFlag(tuf, metadataUrl),
        targetNames: needFlag(tuf, targetName),
        targetBaseUrl: needFlag(tuf, targetBaseUrl),
        targetDir: needFlag(tuf, targetDir),
      });
    });
}

async function perform(tuf: Command, request: TufRequest): Promise<void> {
  const exitCode = await runTufCommand(request, {
    nowMs: () => Date.now(),
    explain: (line) => tuf.configureOutput().writeErr?.(`${line}\n`),
  });
  if (exitCode !== exitCodes.ok) throw new CommandEnded(exitCode);
}

const collectName = (name: string, names: readonly string[] = []): readonly string[] => [
  ...names,
  name,
];

function needFlag<T>(tuf: Command, value: T | undefined): T {
  if (value !== undefined) return value;
  return tuf.error('error: this verb needs its URL and target flags; see --help');
}

/** The suite knows 0 and 1 only. */
function endWithOne(error: CommanderError): never {
  throw new CommandEnded(error.exitCode === 0 ? exitCodes.ok : exitCodes.failed);
}
