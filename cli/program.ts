import { Command, CommanderError } from 'commander';
import { CommandEnded, type ExitCode, exitCodeHelp, exitCodes } from './exit-code.ts';

/** Adds one noun with its verbs to the program; `whole` gives the program with every noun in it. */
export type RegisterNoun = (program: Command, whole: () => Promise<Command>) => void;

interface Noun {
  readonly name: string;
  readonly summary: string;
  /** Imported only when the noun is asked for, so that help loads no native module. */
  readonly load: () => Promise<RegisterNoun>;
}

const nouns: readonly Noun[] = [
  {
    name: 'agent',
    summary: 'the device agent: enrol, run, status',
    load: async () => (await import('./agent/command.ts')).registerAgent,
  },
  {
    name: 'serve',
    summary: 'serve inference (Open Inference Protocol V2) as an enrolled device',
    load: async () => (await import('./serve/command.ts')).registerServe,
  },
  {
    name: 'demo',
    summary: 'the whole journey on this machine, with real devices and bad releases',
    load: async () => (await import('./demo/command.ts')).registerDemo,
  },
  {
    name: 'bundle',
    summary: 'bundles: build, sign, publish, verify, inspect, pull',
    load: async () => (await import('./bundle/command.ts')).registerBundle,
  },
  {
    name: 'init',
    summary: 'make the online keys of a server, or everything for a trial (--demo)',
    load: async () => (await import('./init/command.ts')).registerInit,
  },
  {
    name: 'keys',
    summary: 'offline keys: create, propose, sign, publish, trust, rotate, revoke',
    load: async () => (await import('./keys/command.ts')).registerKeys,
  },
  {
    name: 'tuf',
    summary: 'update and download from any TUF repository (init, refresh, download)',
    load: async () => (await import('./tuf/command.ts')).registerTuf,
  },
  {
    name: 'server',
    summary: 'run the fleet server; init makes its keys',
    load: async () => (await import('./server/command.ts')).registerServer,
  },
  {
    name: 'fleet',
    summary: 'the fleets of a server: list, create',
    load: async () => (await import('./fleet/command.ts')).registerFleet,
  },
  {
    name: 'claim',
    summary: 'permissions to enrol: create, list, revoke',
    load: async () => (await import('./claim/command.ts')).registerClaim,
  },
  {
    name: 'device',
    summary: 'devices: list, get, explain, tag, accept, reject, decommission',
    load: async () => (await import('./device/command.ts')).registerDevice,
  },
  {
    name: 'rollout',
    summary: 'rollouts: create, submit, approve, watch, wait, explain, abort',
    load: async () => (await import('./rollout/command.ts')).registerRollout,
  },
  {
    name: 'federation',
    summary: 'federated rounds: start, list, show, explain, wait, abandon',
    load: async () => (await import('./federation/command.ts')).registerFederation,
  },
  {
    name: 'token',
    summary: 'API tokens: create, list, revoke, whoami',
    load: async () => (await import('./token/command.ts')).registerToken,
  },
  {
    name: 'audit',
    summary: 'who did what: list, verify',
    load: async () => (await import('./audit/command.ts')).registerAudit,
  },
  {
    name: 'event',
    summary: 'what happens: list, watch',
    load: async () => (await import('./event/command.ts')).registerEvent,
  },
  {
    name: 'sim',
    summary: 'live through faults: run the real server and agents in a simulated world',
    load: async () => (await import('./sim/command.ts')).registerSim,
  },
  {
    name: 'doctor',
    summary: 'check this machine, a server, and a state folder, and say what to do',
    load: async () => (await import('./doctor/command.ts')).registerDoctor,
  },
  {
    name: 'completion',
    summary: 'print the completion script for bash, zsh or fish',
    load: async () => (await import('./completion/command.ts')).registerCompletion,
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

/** The program with every noun and verb, for what reads it as a whole. Loads native modules. */
export async function wholeProgram(output: ProgramOutput): Promise<Command> {
  const program = emptyProgram(output);
  for (const { load } of nouns) (await load())(program, () => wholeProgram(output));
  return program;
}

async function createProgram(asked: string | undefined, output: ProgramOutput): Promise<Command> {
  const program = emptyProgram(output);
  for (const { name, summary, load } of nouns) {
    if (name === asked) (await load())(program, () => wholeProgram(output));
    else program.command(name).description(summary);
  }
  return program;
}

const emptyProgram = ({ out, err }: ProgramOutput): Command =>
  new Command('skein')
    .description('Edge fleet manager with on-device inference.')
    .addHelpText('after', exitCodeHelp)
    .configureOutput({ writeOut: out, writeErr: err })
    .showHelpAfterError()
    .exitOverride();
