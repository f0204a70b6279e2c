import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { parse } from 'yaml';
import {
  parseServerConfig,
  printServerConfig,
  type ServerConfig,
} from '../../fleet-server/config.ts';
import { startServer } from '../../fleet-server/main.ts';
import { systemClock } from '../../shared/adapters/clock/system-clock.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { collect } from '../api/arguments.ts';
import { outputOption } from '../api/output-option.ts';
import { Printer } from '../api/printer.ts';
import { endWithFailure } from '../api/tell-failure.ts';
import { CommandEnded, exitCodes } from '../exit-code.ts';
import { setUpServer } from '../init/server-setup.ts';
import { restoreBackup } from './restore-backup.ts';
import { writeBackup } from './write-backup.ts';

interface ServerFlags {
  readonly config?: string;
  readonly data?: string;
  readonly set?: readonly string[];
  readonly insecurePlaintext?: boolean;
  readonly printConfig?: boolean;
  readonly output?: 'table' | 'json';
}

/** `skein server`: the fleet server as a foreground process; `init`, `backup` and `restore` look after its folder. */
export function registerServer(program: Command): void {
  const server = withConfig(program.command('server').description('run the fleet server'));
  server
    .option('--print-config', 'print the configuration in force and end')
    .action(() => tellFailures(server, () => run(server)));
  const init = server.command('init').description('make the online keys and secrets of a server');
  init.addOption(outputOption());
  init.action(() => tellFailures(init, () => prepare(init)));
  registerBackup(server);
  registerRestore(server);
}

function registerBackup(server: Command): void {
  const backup = server.command('backup').description('copy everything the server keeps');
  backup
    .requiredOption('--to <folder>', 'an empty folder, or one that is not there yet')
    .option('--copy', 'copy blobs also where links would do')
    .addOption(outputOption())
    .action((flags: { readonly to: string; readonly copy?: boolean }) =>
      tellFailures(backup, async () => {
        const { data, rootFile } = await readConfig(backup);
        const blobs = flags.copy === true ? 'copy' : 'link';
        const request = {
          data,
          rootFile,
          to: flags.to,
          blobs,
          nowMs: systemClock.nowMs(),
        } as const;
        const taken = await writeBackup(request);
        const print = printerOf(backup);
        print.answer(taken, ({ folder, files, blobs: many }) => {
          return `${files} files and ${many} blobs in ${folder}`;
        });
        print.say('it holds online keys and secrets: whoever reads it is the server');
        print.say('not in it: the configuration, TLS files, a passphrase file, offline keys');
      }),
    );
}

function registerRestore(server: Command): void {
  const restore = server.command('restore').description('put a backup into an empty data folder');
  restore
    .requiredOption('--from <folder>', 'what `skein server backup` made')
    .addOption(outputOption())
    .action((flags: { readonly from: string }) =>
      tellFailures(restore, async () => {
        const { data } = await readConfig(restore);
        const restored = await restoreBackup(flags.from, data);
        const print = printerOf(restore);
        print.answer(restored, (done) => `${done.blobs} blobs and the store are in ${done.data}`);
        print.say('every device must report before anything is signed for it');
        print.say('publish again what was signed offline after the backup was taken');
      }),
    );
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
    endWithFailure(error, printerOf(command));
  }
}

/** The server itself logs; only what looks after its folder answers. */
const printerOf = (command: Command): Printer =>
  new Printer(command, command.opts<ServerFlags>().output ?? 'table');

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
  const made = await setUpServer(config.data, passphrase);
  const print = printerOf(command);
  print.answer({ keys: made.keys, handout: made.handout }, ({ keys, handout }) => {
    return `online keys in ${keys}, their public halves in ${handout}`;
  });
  print.say(
    `next: sign a root that lists them, publish it to ${config.rootFile}, then skein server`,
  );
}

async function run(command: Command): Promise<void> {
  const config = await readConfig(command);
  const print = printerOf(command);
  if (command.opts<ServerFlags>().printConfig === true) {
    print.answer(printServerConfig(config), (text) => text);
    return;
  }
  const server = await startServer(config);
  if (server.firstTokenFile !== undefined) {
    print.say(`the first admin token is in ${server.firstTokenFile}`);
  }
  // Who reads the next line may send a signal at once.
  const stopped = untilStopped();
  print.say(`listening as ${server.origin}`);
  let isForced: boolean;
  try {
    isForced = await Promise.race([stopped, server.failed]);
  } finally {
    const late = setTimeout(() => process.exit(exitCodes.failed), limits.drainMs);
    await server.stop();
    clearTimeout(late);
  }
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
