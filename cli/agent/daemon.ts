import { resolve } from 'node:path';
import { builtFile } from '../../shared/adapters/built-file.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { type ExitCode, exitCodes } from '../exit-code.ts';
import { writeAgentArguments } from './agent-arguments.ts';

export interface DaemonOptions {
  readonly state: string;
  readonly config: string | undefined;
  readonly settings: readonly string[];
}

/** Runs supervisor and agent until SIGTERM. This process loads no package but the command line's own. */
export async function runDaemon(options: DaemonOptions): Promise<ExitCode> {
  const { supervise } = await import('../../agent/supervisor/main.ts');
  const { statePaths } = await import('../../agent/adapters/state-folder.ts');
  const state = resolve(options.state);
  // The command line ends at once on Ctrl-C; a daemon drains first.
  process.removeAllListeners('SIGINT');
  const configFile = options.config === undefined ? undefined : resolve(options.config);
  const code = await supervise({
    program: builtFile(import.meta.url, './agent-entry.ts'),
    arguments: writeAgentArguments({ state, configFile, settings: options.settings }),
    stateFolder: statePaths(state).supervisor,
  });
  return code === 0 ? exitCodes.ok : exitCodes.failed;
}

/** `--print-config`: what the agent would run with. Throws `config-invalid`. */
export async function configText(options: DaemonOptions): Promise<string> {
  const { parseAgentConfig, printAgentConfig } = await import('../../agent/config.ts');
  const { readConfigFile } = await import('../../agent/adapters/config-file.ts');
  const { config, settings } = options;
  const file = config === undefined ? undefined : await readConfigFile(config);
  const parsed = parseAgentConfig({ file, environment: process.env, settings });
  if (parsed.ok) return printAgentConfig(parsed.value);
  throw new OperatingError(parsed.error.code, parsed.error.message);
}
