import { resolve } from 'node:path';
import type { Command } from 'commander';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { outputOption } from '../api/output-option.ts';
import { Printer } from '../api/printer.ts';
import { CommandEnded, exitCodes } from '../exit-code.ts';
import { codedAction } from './coded-action.ts';
import { configText, runDaemon } from './daemon.ts';

interface EnrolFlags {
  readonly state: string;
  readonly fleet: string;
  readonly device?: string;
  readonly insecurePlaintext?: boolean;
  readonly stringFile?: string;
  readonly ifNew?: boolean;
  readonly output: 'table' | 'json';
}

interface RunFlags {
  readonly state: string;
  readonly config?: string;
  readonly set?: readonly string[];
  readonly printConfig?: boolean;
}

/** `skein agent`: a device's own commands. Modules that a verb needs are loaded when it runs. */
export function registerAgent(program: Command): void {
  const agent = program.command('agent').description('the device agent: enrol, run, status');
  registerEnrol(agent);
  registerRun(agent);
  registerStatus(agent);
}

export const collectSetting = (
  setting: string,
  settings: readonly string[] = [],
): readonly string[] => [...settings, setting];

function registerEnrol(agent: Command): void {
  const verb = agent
    .command('enrol [string]')
    .description('bind this device to the server that printed the enrolment string')
    .option('--string-file <file>', 'read it from the first line of a file instead')
    .option('--if-new', 'do nothing when this folder is enrolled already')
    .requiredOption('--state <folder>', 'folder of this device', process.env['SKEIN_AGENT_STATE'])
    .requiredOption('--fleet <name>', 'fleet that the claim belongs to', process.env['SKEIN_FLEET'])
    .option('--device <id>', 'id of this device; named like the machine when absent')
    .option('--insecure-plaintext', 'allow http to another machine')
    .addOption(outputOption());
  verb.action(async (string: string | undefined) => {
    const flags = verb.opts<EnrolFlags>();
    const { state, fleet, device, stringFile, ifNew, insecurePlaintext } = flags;
    await codedAction(verb, async () => {
      if ((string === undefined) === (stringFile === undefined)) {
        throw new OperatingError('command-line-invalid', 'say the string or --string-file');
      }
      const { enrol, isEnrolled } = await import('./enrol.ts');
      const isKept = ifNew === true && (await isEnrolled(resolve(state)));
      const text = isKept ? '' : (string ?? (await readStringFile(stringFile ?? '')));
      const asked = { text, fleet, device, state: resolve(state) };
      const enrolled = isKept
        ? undefined
        : await enrol({ ...asked, insecurePlaintext: insecurePlaintext === true });
      const answer = { isNew: enrolled !== undefined, ...enrolled };
      new Printer(verb, flags.output).answer(answer, () =>
        enrolled === undefined
          ? `${state} is enrolled already`
          : `${enrolled.device} of ${enrolled.fleet} is ${enrolled.state} at ${enrolled.origin}`,
      );
    });
  });
}

/** A command line is seen by everybody on the machine; a file is not. */
async function readStringFile(file: string): Promise<string> {
  const { readFirstLine } = await import('../../agent/adapters/config-file.ts');
  return readFirstLine(file);
}

function registerRun(agent: Command): void {
  const verb = agent
    .command('run')
    .description('run the agent under its supervisor until SIGTERM')
    .requiredOption('--state <folder>', 'folder of this device', process.env['SKEIN_AGENT_STATE'])
    .option('--config <file>', 'configuration, YAML or JSON', process.env['SKEIN_AGENT_CONFIG'])
    .option('--set <key=value>', 'one setting; may be repeated', collectSetting)
    .option('--print-config', 'print what it would run with, and end');
  verb.action(async () => {
    const { state, config, set: settings = [], printConfig } = verb.opts<RunFlags>();
    await codedAction(verb, async () => {
      const options = { state, config, settings };
      if (printConfig === true) {
        verb.configureOutput().writeOut?.(await configText(options));
        return;
      }
      const exitCode = await runDaemon(options);
      if (exitCode !== exitCodes.ok) throw new CommandEnded(exitCode);
    });
  });
}

function registerStatus(agent: Command): void {
  const verb = agent
    .command('status')
    .description('what the files of this device say; the agent may be running or not')
    .requiredOption('--state <folder>', 'folder of this device', process.env['SKEIN_AGENT_STATE'])
    .addOption(outputOption());
  verb.action(async () => {
    const { state, output } = verb.opts<{ readonly state: string; readonly output: string }>();
    await codedAction(verb, async () => {
      const { readStatus, statusTable } = await import('./status.ts');
      const status = await readStatus(resolve(state));
      if (status === undefined) throw new OperatingError('not-enrolled', `${state} is no device`);
      const text = output === 'json' ? `${JSON.stringify(status)}\n` : statusTable(status);
      verb.configureOutput().writeOut?.(text);
    });
  });
}
