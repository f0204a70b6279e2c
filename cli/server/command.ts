import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { parse } from 'yaml';
import { createOnlineKeys } from '../../fleet-server/adapters/keys/file-key-store.ts';
import {
  parseServerConfig,
  printServerConfig,
  type ServerConfig,
} from '../../fleet-server/config.ts';
import { startServer } from '../../fleet-server/main.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { collect } from '../api/arguments.ts';
import { Printer } from '../api/printer.ts';
import { endWithFailure } from '../api/tell-failure.ts';
import { CommandEnded, exitCodes } from '../exit-code.ts';

interface ServerFlags {
  readonly config?: string;
  readonly data?: string;
  readonly set?: readonly string[];
  readonly insecurePlaintext?: boolean;
  readonly printConfig?: boolean;
}

/** `skein server`: the fleet server as a foreground process; `init` prepares its folder. */
export function registerServer(program: Command): void {
  const server = withConfig(program.command('server').description('run the fleet server'));
  server
    .option('--print-config', 'print the configuration in force and end')
    .action(() => tellFailures(server, () => run(server)));
  const init = server.command('init').description('make the online keys and secrets of a server');
  init.action(() => tellFailures(init, () => prepare(init)));
}

const withConfig = (command: Command): Command =>
  command
    .option('--config <file>', 'configuration in YAML or JSON')
    .option('--data <folder>', 'folder of everything the server keeps')
    .option('--set <key=value>', 'one setting, such as http.port=8443; may repeat', collect)
    .option('--insecure-plaintext', 'listen beyond this machine without TLS');

async function tellFailures(command: Command, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    endWithFailure(error, new Printer(command, 'table'));
  }
}

async function readConfig(command: Command): Promise<ServerConfig> {
  const flags = command.optsWithGlobals<ServerFlags>();
  const settings = [
    ...(flags.data === undefined ? [] : [`data=${flags.data}`]),
    ...(flags.insecurePlaintext === true ? ['insecurePlaintext=true'] : []),
    ...(flags.set ?? []),
  ];
  const environment = process.env;
  const file = await readConfigFile(flags.config ?? environment['SKEIN_SERVER_CONFIG']);
  const config = parseServerConfig({ file, environment, settings });
  if (config.ok) return config.value;
  throw new OperatingError(config.error.code, config.error.message);
}

async function readConfigFile(path: string | undefined): Promise<unknown> {
  if (path === undefined) return undefined;
  const text = await readText(path);
  if (text.length > limits.configBytesMax) {
    throw new OperatingError('config-invalid', `${path} is no configuration: it is too large`);
  }
  try {
    // YAML 1.2 takes JSON as it is; a key that stands twice is an error there too.
    return (parse(text) ?? undefined) as unknown;
  } catch (cause) {
    throw new OperatingError('config-invalid', `${path} is no YAML`, { cause });
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new OperatingError('config-invalid', `${path} cannot be read`, { cause });
  }
}

async function prepare(command: Command): Promise<void> {
  const config = await readConfig(command);
  const passphrase =
    config.passphraseFile === undefined
      ? {}
      : { passphrase: (await readText(config.passphraseFile)).trimEnd() };
  const folder = join(config.data, 'keys');
  try {
    await createOnlineKeys({ folder, ...passphrase });
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') {
      throw new OperatingError('secret-file-exists', `${folder} holds keys already`, { cause });
    }
    throw cause;
  }
  const print = new Printer(command, 'table');
  print.answer(folder, (path) => `online keys in ${path}`);
  print.say(
    `next: sign a root that lists them, publish it to ${config.rootFile}, then skein server`,
  );
}

async function run(command: Command): Promise<void> {
  const config = await readConfig(command);
  const print = new Printer(command, 'table');
  if (command.opts<ServerFlags>().printConfig === true) {
    print.answer(printServerConfig(config), (text) => text);
    return;
  }
  const server = await startServer(config);
  if (server.firstTokenFile !== undefined) {
    print.say(`the first admin token is in ${server.firstTokenFile}`);
  }
  print.say(`listening as ${server.origin}`);
  const isForced = await Promise.race([untilStopped(), server.failed]);
  const late = setTimeout(() => process.exit(exitCodes.failed), limits.drainMs);
  await server.stop();
  clearTimeout(late);
  if (isForced) throw new CommandEnded(exitCodes.interrupted);
}

/** SIGTERM is how a daemon ends: exit 0. SIGINT is a person at a terminal. */
function untilStopped(): Promise<boolean> {
  process.removeAllListeners('SIGINT');
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve(false));
    process.once('SIGINT', () => resolve(true));
  });
}
