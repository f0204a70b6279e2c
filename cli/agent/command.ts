import { resolve } from 'node:path';
import type { Command } from 'commander';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { printable } from '../../shared/core/printable.ts';
import { CommandEnded, exitCodes } from '../exit-code.ts';
import { codedAction } from './coded-action.ts';
import { configText, runDaemon } from './daemon.ts';

interface EnrolFlags {
  readonly state: string;
  readonly fleet: string;
  readonly device?: string;
  readonly insecurePlaintext?: boolean;
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
    .command('enrol <string>')
    .description('bind this device to the server that printed the enrolment string')
    .requiredOption('--state <folder>', 'folder of this device', process.env['SKEIN_AGENT_STATE'])
    .requiredOption('--fleet <name>', 'fleet that the claim belongs to', process.env['SKEIN_FLEET'])
    .option('--device <id>', 'id of this device; named like the machine when absent')
    .option('--insecure-plaintext', 'allow http to another machine');
  verb.action(async (text: string) => {
    const { state, fleet, device, insecurePlaintext = false } = verb.opts<EnrolFlags>();
    await codedAction(verb, async () => {
      const { enrol } = await import('./enrol.ts');
      const asked = { text, fleet, device, insecurePlaintext, state: resolve(state) };
      const enrolled = await enrol(asked);
      const sentence = `${enrolled.device} of ${enrolled.fleet} is ${enrolled.state}`;
      verb.configureOutput().writeOut?.(printable(`${sentence} at ${enrolled.origin}`) + '\n');
    });
  });
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
    .option('-o, --output <form>', 'table or json', 'table');
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
