import { Command, CommanderError } from 'commander';
import { CommandEnded, type ExitCode, exitCodeHelp, exitCodes } from './exit-code.ts';

/** Adds one noun with its verbs to the program. */
export type RegisterNoun = (program: Command) => void;

interface Noun {
  readonly name: string;
  readonly summary: string;
  /** Imported only when the noun is asked for, so that help loads no native module. */
  readonly load: () => Promise<RegisterNoun>;
}

const nouns: readonly Noun[] = [
  {
    name: 'keys',
    summary: 'offline keys: create, propose, sign, publish, rotate, revoke',
    load: async () => (await import('./keys/command.ts')).registerKeys,
  },
  {
    name: 'tuf',
    summary: 'update and download from any TUF repository (init, refresh, download)',
    load: async () => (await import('./tuf/command.ts')).registerTuf,
  },
];

export interface ProgramOutput {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** Runs one command line, without `node` and the script's name; the caller exits with the answer. */
export async function runSkein(args: readonly string[], output: ProgramOutput): Promise<ExitCode> {
  const [first, second] = args.filter((arg) => !arg.startsWith('-'));
  const program = await createProgram(first === 'help' ? second : first, output);
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof CommandEnded) return error.exitCode;
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    }
    throw error;
  }
}

async function createProgram(asked: string | undefined, output: ProgramOutput): Promise<Command> {
  const program = new Command('skein')
    .description('Edge fleet manager with on-device inference.')
    .addHelpText('after', exitCodeHelp)
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .showHelpAfterError()
    .exitOverride();
  for (const { name, summary, load } of nouns) {
    if (name === asked) (await load())(program);
    else program.command(name).description(summary);
  }
  return program;
}
