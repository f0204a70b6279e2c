import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

/**
 * A passphrase comes from a file or from a terminal, never from the command line (it would stand in the process
 * list) and never from an environment variable itself.
 */
export async function readPassphrase(options: {
  readonly file: string | undefined;
  readonly prompt: string;
}): Promise<string> {
  if (options.file !== undefined)
    return (await readFile(options.file, 'utf8')).replace(/\r?\n$/, '');
  if (!process.stdin.isTTY) {
    throw new Error('no terminal to ask for the passphrase; name a file with --passphrase-file');
  }
  process.stderr.write(options.prompt);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true });
  const answer = await new Promise<string>((resolve) => terminal.question('', resolve));
  terminal.close();
  process.stderr.write('\n');
  return answer;
}
