import type { CommandNode } from './command-tree.ts';
import { singleQuoted } from './single-quoted.ts';

/** A zsh completion script: verbs and options come with their descriptions. */
export const zshScript = (tree: readonly CommandNode[]): string => `#compdef skein
# zsh completion for skein: skein completion zsh > "\${fpath[1]}/_skein"
_skein_takes_value() {
  case "$1 $2" in
${tree.flatMap((node) => successArm(node, takingValue(node))).join('\n')}
    *) return 1 ;;
  esac
}

_skein_is_verb() {
  case "$1 $2" in
${tree.flatMap((node) => successArm(node, verbNames(node))).join('\n')}
    *) return 1 ;;
  esac
}

_skein() {
  local at=skein word before=\${words[CURRENT-1]}
  local -i i=2
  while ((i < CURRENT)); do
    word=\${words[i]}
    if _skein_takes_value "$at" "$word"; then
      ((i += 1))
    elif _skein_is_verb "$at" "$word"; then
      at="$at $word"
    fi
    ((i += 1))
  done
  if _skein_takes_value "$at" "$before"; then
    case "$at $before" in
${tree.flatMap(valueArms).join('\n')}
    esac
    return
  fi
  local -a verbs flags
  local -i files=0
  case "$at" in
${tree.map(placeArm).join('\n')}
  esac
  (( \${#verbs} )) && _describe -t commands 'command' verbs
  _describe -o -t options 'option' flags
  (( files )) && _files
  return 0
}

if [[ \${funcstack[1]} == _skein ]]; then
  _skein "$@"
else
  compdef _skein skein
fi
`;

const takingValue = ({ options }: CommandNode): readonly string[] =>
  options.filter(({ value }) => value.kind !== 'none').flatMap(({ flags }) => flags);

const verbNames = ({ verbs }: CommandNode): readonly string[] => verbs.map(({ name }) => name);

function successArm({ path }: CommandNode, words: readonly string[]): readonly string[] {
  if (words.length === 0) return [];
  return [`    ${words.map((word) => singleQuoted(`${path} ${word}`)).join('|')}) return 0 ;;`];
}

function valueArms({ path, options }: CommandNode): readonly string[] {
  return options.flatMap(({ flags, value }) => {
    const pattern = flags.map((flag) => singleQuoted(`${path} ${flag}`)).join('|');
    if (value.kind === 'choice')
      return [`      ${pattern}) compadd -- ${value.choices.join(' ')} ;;`];
    return value.kind === 'file' ? [`      ${pattern}) _files ;;`] : [];
  });
}

/** `_describe` splits at the first colon that has no backslash. */
const described = (word: string, description: string): string =>
  singleQuoted(`${word.replaceAll(':', '\\:')}:${description}`);

function placeArm({ path, verbs, options, takesFiles }: CommandNode): string {
  const shown = options.flatMap(({ flags, description }) =>
    flags.map((flag) => described(flag, description)),
  );
  const lines = [
    ...(verbs.length === 0
      ? []
      : [`verbs=(${verbs.map((verb) => described(verb.name, verb.description)).join(' ')})`]),
    `flags=(${shown.join(' ')})`,
    ...(takesFiles ? ['files=1'] : []),
  ];
  return [`    ${singleQuoted(path)})`, ...lines.map((line) => `      ${line}`), '      ;;'].join(
    '\n',
  );
}
