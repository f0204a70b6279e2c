import type { Command } from 'commander';
import { codedAction } from '../agent/coded-action.ts';
import { collectSetting } from '../agent/command.ts';
import { configText, runDaemon } from '../agent/daemon.ts';
import { CommandEnded, exitCodes } from '../exit-code.ts';

interface ServeFlags {
  readonly state: string;
  readonly config?: string;
  readonly listen: string;
  readonly tokenFile?: string;
  readonly set?: readonly string[];
  readonly printConfig?: boolean;
}

/** `skein serve`: the agent with its front door open, rolled out to like any other device, with the fact `cloud`. */
export function registerServe(program: Command): void {
  const serve = program
    .command('serve')
    .description('serve inference (Open Inference Protocol V2) as an enrolled device')
    .requiredOption('--state <folder>', 'folder of this device', process.env['SKEIN_AGENT_STATE'])
    .option('--config <file>', 'configuration, YAML or JSON', process.env['SKEIN_AGENT_CONFIG'])
    .option('--listen <host:port>', 'where the door opens', '127.0.0.1:8080')
    .option('--token-file <file>', 'file with the bearer token; needed beyond loopback')
    .option('--set <key=value>', 'one setting; may be repeated', collectSetting)
    .option('--print-config', 'print what it would run with, and end');
  serve.action(async () => {
    const { state, config, listen, tokenFile, set = [], printConfig } = serve.opts<ServeFlags>();
    const door = [
      'serving.cloud=true',
      `serving.listen=${listen}`,
      ...(tokenFile === undefined ? [] : [`serving.tokenFile=${tokenFile}`]),
    ];
    const options = { state, config, settings: [...door, ...set] };
    await codedAction(serve, async () => {
      if (printConfig === true) {
        serve.configureOutput().writeOut?.(await configText(options));
        return;
      }
      const exitCode = await runDaemon(options);
      if (exitCode !== exitCodes.ok) throw new CommandEnded(exitCode);
    });
  });
}
