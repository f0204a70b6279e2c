import type { CommandNode, OptionNode } from './command-tree.ts';

/** A fish completion script: one `complete` line for each verb and option of each place. */
export const fishScript = (tree: readonly CommandNode[]): string => `# fish completion for skein
# skein completion fish > ~/.config/fish/completions/skein.fish
function __skein_takes_value
    switch "$argv[1] $argv[2]"
${successCase(tree.flatMap(takingValue))}
    end
    return 1
end

function __skein_is_verb
    switch "$argv[1] $argv[2]"
${successCase(tree.flatMap(({ path, verbs }) => verbs.map(({ name }) => `${path} ${name}`)))}
    end
    return 1
end

function __skein_at
    set -l at skein
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if __skein_takes_value "$at" "$word"
            set skip 1
        else if __skein_is_verb "$at" "$word"
            set at "$at $word"
        end
    end
    test "$at" = "$argv[1]"
end

complete -c skein -f
${tree.flatMap(linesOf).join('\n')}
`;

const takingValue = ({ path, options }: CommandNode): readonly string[] =>
  options
    .filter(({ value }) => value.kind !== 'none')
    .flatMap(({ flags }) => flags.map((flag) => `${path} ${flag}`));

const successCase = (words: readonly string[]): string =>
  words.map((word) => `        case ${fishQuoted(word)}\n            return 0`).join('\n');

function linesOf({ path, verbs, options, takesFiles }: CommandNode): readonly string[] {
  const here = `complete -c skein -n ${fishQuoted(`__skein_at ${fishQuoted(path)}`)}`;
  return [
    ...verbs.map(({ name, description }) => `${here} -a ${name} -d ${fishQuoted(description)}`),
    ...options.map((option) => `${here} ${flagsOf(option)} -d ${fishQuoted(option.description)}`),
    ...(takesFiles ? [`${here} -F`] : []),
  ];
}

function flagsOf({ flags, value }: OptionNode): string {
  const names = flags.map((flag) =>
    flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
  );
  switch (value.kind) {
    case 'none':
      return names.join(' ');
    case 'file':
      return [...names, '-r -F'].join(' ');
    case 'text':
      return [...names, '-x'].join(' ');
    case 'choice':
      return [...names, `-x -a ${fishQuoted(value.choices.join(' '))}`].join(' ');
  }
}

/** Inside single quotes fish reads only `\\` and `\'`. */
const fishQuoted = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
