import type { Argument, Command, Option } from 'commander';

/** What may stand in one place of the command line. */
export interface CommandNode {
  /** `skein`, `skein rollout`, `skein rollout wait`. */
  readonly path: string;
  readonly verbs: readonly { readonly name: string; readonly description: string }[];
  /** Its own options and those of the nouns above it, which may stand behind the verb too. */
  readonly options: readonly OptionNode[];
  /** Whether an argument or an option's value names a file or a folder. */
  readonly takesFiles: boolean;
}

export interface OptionNode {
  /** `-o`, `--output`. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly value: OptionValue;
}

export type OptionValue =
  | { readonly kind: 'none' | 'file' | 'text' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] };

/** Reads commander's own program, so that no list has to be kept beside it; parents before their verbs. */
export function readCommandTree(
  command: Command,
  above: { readonly path: string; readonly options: readonly OptionNode[] } = {
    path: '',
    options: [],
  },
): readonly CommandNode[] {
  const path = `${above.path} ${command.name()}`.trimStart();
  const options = [...above.options, ...command.options.filter(isShown).map(optionNode)];
  const node: CommandNode = {
    path,
    verbs: command.commands.map((verb) => ({
      name: verb.name(),
      description: verb.description(),
    })),
    options: [...options, helpOption],
    takesFiles: command.registeredArguments.some((argument) => isFile(nameOf(argument))),
  };
  const below = command.commands.flatMap((verb) => readCommandTree(verb, { path, options }));
  return [node, ...below];
}

const helpOption: OptionNode = {
  flags: ['-h', '--help'],
  description: 'display help for command',
  value: { kind: 'none' },
};

const isShown = (option: Option): boolean => !option.hidden;

function optionNode(option: Option): OptionNode {
  const { short, long, description } = option;
  return {
    flags: [short, long].filter((flag) => flag !== undefined),
    description,
    value: valueOf(option),
  };
}

function valueOf({ required, optional, argChoices, flags }: Option): OptionValue {
  if (!required && !optional) return { kind: 'none' };
  if (argChoices !== undefined) return { kind: 'choice', choices: argChoices };
  return { kind: isFile(/[<[]([^>\]]+)[>\]]/.exec(flags)?.[1] ?? '') ? 'file' : 'text' };
}

const nameOf = (argument: Argument): string => argument.name();

/** House words for what lies on a disk, as they stand in `<...>`. */
const fileWords = new Set([
  ...['file', 'folder', 'plan', 'where', 'recipe', 'layout', 'layouts', 'proposal', 'root-file'],
]);
const isFile = (name: string): boolean => fileWords.has(name.replace(/\.\.\.$/, ''));
