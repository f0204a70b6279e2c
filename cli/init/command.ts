import type { Command } from 'commander';
import { isFleetId } from '../../shared/core/ids.ts';
import { orEnd } from '../bundle/command-end.ts';
import { answer, endWith, type OutputForm, withOutput } from '../bundle/output.ts';
import { exitCodes } from '../exit-code.ts';

interface InitFlags {
  readonly demo: string;
  readonly fleet?: readonly string[];
  readonly output: OutputForm;
}

const more = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
];

/** `skein init --demo DIR`: everything a trial needs, in one folder, and marked as such. */
export function registerInit(program: Command): void {
  withOutput(
    program
      .command('init')
      .description('make all keys and a first repository for a trial (--demo)')
      .requiredOption('--demo <folder>', 'an empty or new folder')
      .option('--fleet <name>', 'a fleet that may hold federated rounds; may repeat', more),
  ).action((flags: InitFlags) => orEnd(() => init(flags)));
}

async function init({ demo, fleet = ['demo'], output }: InitFlags): Promise<void> {
  const unknown = fleet.find((name) => !isFleetId(name));
  if (unknown !== undefined) endWith(exitCodes.usage, `${unknown} is no fleet name`);
  const { setUpDemo } = await import('./demo-setup.ts');
  const folders = await setUpDemo(demo, { nowMs: Date.now(), fleets: fleet });
  answer(
    output,
    { ...folders },
    Object.entries(folders).map(([name, path]) => [name, String(path)]),
  );
  console.error('a demo: its offline keys lie beside the server; never trust it with real devices');
}
