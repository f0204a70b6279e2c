import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { isFleetId } from '../../shared/core/ids.ts';
import { orEnd } from '../bundle/command-end.ts';
import { answer, endWith, type OutputForm, withOutput } from '../bundle/output.ts';
import { exitCodes } from '../exit-code.ts';

interface InitFlags {
  readonly demo?: string;
  readonly data?: string;
  readonly passphraseFile?: string;
  readonly fleet?: readonly string[];
  readonly output: OutputForm;
}

const more = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
];

/** `skein init`: the online keys of a server; with `--demo DIR` everything a trial needs, marked as such. */
export function registerInit(program: Command): void {
  withOutput(
    program
      .command('init')
      .description('make the online keys of a server (--data), or everything for a trial (--demo)')
      .option('--data <folder>', 'folder of everything the server keeps')
      .option('--passphrase-file <file>', 'seals the online keys')
      .option('--demo <folder>', 'an empty or new folder')
      .option('--fleet <name>', 'a fleet that may hold federated rounds; may repeat', more),
  ).action((flags: InitFlags) => orEnd(() => init(flags)));
}

async function init(flags: InitFlags): Promise<void> {
  const { demo, data } = flags;
  if ((demo === undefined) === (data === undefined)) {
    return endWith(exitCodes.usage, 'say --data for a server, or --demo for a trial');
  }
  if (data !== undefined) return initServer(data, flags);
  const { fleet = ['demo'], output } = flags;
  const unknown = fleet.find((name) => !isFleetId(name));
  if (unknown !== undefined) endWith(exitCodes.usage, `${unknown} is no fleet name`);
  const { setUpDemo } = await import('./demo-setup.ts');
  const folders = await setUpDemo(demo ?? '', { nowMs: Date.now(), fleets: fleet });
  answer(
    output,
    { ...folders },
    Object.entries(folders).map(([name, path]) => [name, String(path)]),
  );
  console.error('a demo: its offline keys lie beside the server; never trust it with real devices');
  const { onlineKeys, firstRoot } = folders;
  const folder = dirname(onlineKeys);
  const list = fleet.join(',');
  console.error(
    `next: skein server --data ${folder} --set rootFile=${firstRoot} --set fleets=${list}`,
  );
}

async function initServer(data: string, flags: InitFlags): Promise<void> {
  if (flags.fleet !== undefined) {
    endWith(exitCodes.usage, '--fleet belongs to --demo; targets delegate to a fleet when signed');
  }
  const { passphraseFile } = flags;
  // As the server itself reads it.
  const sealed =
    passphraseFile === undefined
      ? {}
      : { passphrase: (await readFile(passphraseFile, 'utf8')).trimEnd() };
  const { setUpServer } = await import('./server-setup.ts');
  const made = await setUpServer(data, sealed);
  const { keys, handout, fingerprints } = made;
  answer(flags.output, { keys, handout, fingerprints: Object.fromEntries(fingerprints) }, [
    ['keys', keys],
    ['handout', handout],
    ...fingerprints,
  ]);
  console.error(`next, where root is proposed: skein keys propose --online ${handout}`);
}
