import type { Command } from 'commander';

/** The shell words of one line; quotes are taken off, placeholders stay as they are. */
export const shellWords = (line: string): readonly string[] =>
  (line.match(/"[^"]*"|'[^']*'|[^\s"']+/g) ?? []).map((word) =>
    word.replace(/^(["'])(.*)\1$/, '$2'),
  );

/**
 * What is wrong with a command line for the real program, undefined when it would run: noun, verb, options, choices and
 * required arguments. Actions are not called; a value that only a person can fill in is taken as it stands.
 */
export async function complaintOf(
  program: Command,
  words: readonly string[],
): Promise<string | undefined> {
  forEachCommand(program, (command) => {
    if (command.commands.length === 0 || hasAction(command)) command.action(() => undefined);
    command
      .exitOverride()
      .configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  });
  try {
    await program.parseAsync([...words], { from: 'user' });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Verbs and nouns that run something, with their whole path. */
export function leavesOf(
  program: Command,
): readonly { readonly path: string; readonly command: Command }[] {
  const leaves: { path: string; command: Command }[] = [];
  forEachCommand(program, (command, path) => {
    if (command.commands.length === 0 || hasAction(command)) leaves.push({ path, command });
  });
  return leaves;
}

export function forEachCommand(
  command: Command,
  visit: (command: Command, path: string) => void,
  above = '',
): void {
  const path = `${above} ${command.name()}`.trim();
  visit(command, path);
  for (const verb of command.commands) forEachCommand(verb, visit, path);
}

/** `skein server` is a noun with verbs that also runs by itself; commander keeps that to itself. */
const hasAction = (command: Command): boolean =>
  (command as unknown as { readonly _actionHandler: unknown })._actionHandler !== null;

/** The first word of `server backup, restore` or `server backup --to` that the program does not know. */
export function unknownWord(program: Command, text: string): string | undefined {
  let noun = program;
  let at = program;
  for (const word of text.split(/[ ,]+/)) {
    if (word.startsWith('--')) {
      const long = word.split('=')[0] ?? word;
      if (!optionsOf(at).has(long)) return word;
      continue;
    }
    const verb = [at, noun].flatMap((place) => place.commands).find((c) => c.name() === word);
    if (verb !== undefined) {
      if (verb.commands.length > 0) noun = verb;
      at = verb;
    } else if (at.commands.length > 0 && /^[a-z]/.test(word)) return word;
    else if (text.includes(',') && /^[a-z]+$/.test(word)) return word;
  }
  return undefined;
}

function optionsOf(command: Command): ReadonlySet<string> {
  const above = command.parent === null ? [] : optionsOf(command.parent);
  return new Set(['--help', ...above, ...command.options.flatMap(({ long }) => long ?? [])]);
}
