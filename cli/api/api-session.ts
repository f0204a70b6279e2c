import { readFile, stat } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { outputOption } from './output-option.ts';
import { isPlaintextAway } from './plaintext-url.ts';
import { Printer } from './printer.ts';
import { RestClient } from './rest-client.ts';
import { endWithFailure } from './tell-failure.ts';

/** What every command that talks to a server knows: whom it asks, for which fleet, and how it answers. */
export interface ApiSession {
  readonly client: RestClient;
  /** Its URL, as it was asked for. */
  readonly server: string;
  readonly fleet: string;
  readonly print: Printer;
}

interface SessionFlags {
  readonly server: string;
  readonly tokenFile?: string;
  readonly fleet: string;
  readonly output: 'table' | 'json';
  readonly insecurePlaintext?: boolean;
}

/** Adds the flags of a session to a noun; they may stand before or after the verb. */
export function withSession(noun: Command): Command {
  return noun
    .addOption(
      new Option('--server <url>', 'the fleet server')
        .env('SKEIN_SERVER')
        .default('http://127.0.0.1:8080'),
    )
    .addOption(new Option('--token-file <file>', 'file with an API token').env('SKEIN_TOKEN_FILE'))
    .addOption(new Option('--fleet <name>', 'the fleet').env('SKEIN_FLEET').default('default'))
    .addOption(outputOption())
    .option('--insecure-plaintext', 'send the token over plain HTTP beyond this machine');
}

/** Runs a verb with its session; a failure is said once, on the right stream, with the right exit code. */
export async function inSession(
  command: Command,
  work: (session: ApiSession) => Promise<void>,
): Promise<void> {
  const flags = command.optsWithGlobals<SessionFlags>();
  const print = new Printer(command, flags.output);
  try {
    const server = checkedServer(flags);
    const client = new RestClient({ server, token: await readToken(flags) });
    await work({ client, server, fleet: flags.fleet, print });
  } catch (error) {
    endWithFailure(error, print);
  }
}

/** Throws `command-line-invalid`, or `plaintext-refused` where a token would leave this machine unprotected. */
export function checkedServer({
  server,
  insecurePlaintext = false,
}: Pick<SessionFlags, 'server' | 'insecurePlaintext'>): string {
  if (!URL.canParse(server))
    throw new OperatingError('command-line-invalid', `--server ${server} is no URL`);
  const { protocol, hostname, username, password } = new URL(server);
  if (protocol !== 'https:' && protocol !== 'http:') {
    throw new OperatingError(
      'command-line-invalid',
      `--server takes http or https, not ${protocol}`,
    );
  }
  if (username !== '' || password !== '') {
    throw new OperatingError(
      'command-line-invalid',
      'a token never stands in a URL; use --token-file',
    );
  }
  if (isPlaintextAway(server) && !insecurePlaintext) {
    throw new OperatingError('plaintext-refused', `${hostname} is not this machine`);
  }
  return server;
}

/** Throws `token-missing`, `key-file-exposed`. */
export async function readToken({ tokenFile }: Pick<SessionFlags, 'tokenFile'>): Promise<string> {
  if (tokenFile === undefined) {
    throw new OperatingError('token-missing', 'name a file with --token-file or SKEIN_TOKEN_FILE');
  }
  try {
    if (((await stat(tokenFile)).mode & 0o077) !== 0) {
      throw new OperatingError('key-file-exposed', `${tokenFile} is open to group or others`);
    }
    return (await readFile(tokenFile, 'utf8')).trim();
  } catch (cause) {
    if (cause instanceof OperatingError) throw cause;
    throw new OperatingError('token-missing', `${tokenFile} cannot be read`, { cause });
  }
}
