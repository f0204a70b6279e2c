import type { CommandNode } from './command-tree.ts';

/**
 * A bash completion script. Programmable completion breaks words at `=` (COMP_WORDBREAKS), so `--output=json` comes as
 * three words; both spellings are read.
 */
export const bashScript = (tree: readonly CommandNode[]): string => `# bash completion for skein
# in ~/.bashrc: source <(skein completion bash)
_skein_takes_value() {
  case "$1 $2" in
${arms(tree, takingValue, '    ')}
    *) return 1 ;;
  esac
}

_skein_is_verb() {
  case "$1 $2" in
${arms(tree, verbNames, '    ')}
    *) return 1 ;;
  esac
}

_skein() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]}
  local at=skein i=1 word words= files=
  while ((i < COMP_CWORD)); do
    word=\${COMP_WORDS[i]}
    if _skein_takes_value "$at" "$word"; then
      ((i += 1))
      [[ \${COMP_WORDS[i]} == '=' ]] && ((i += 1))
    elif _skein_is_verb "$at" "$word"; then
      at="$at $word"
    fi
    ((i += 1))
  done
  if [[ $before == '=' ]]; then
    before=\${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $current == '=' ]]; then
    current=
  fi
  if _skein_takes_value "$at" "$before"; then
    case "$at $before" in
${tree.flatMap(valueArms).join('\n')}
    esac
  else
    case "$at" in
${tree.map(placeArm).join('\n')}
    esac
  fi
  COMPREPLY=()
  local reply
  while IFS= read -r reply; do
    [[ -n $reply ]] && COMPREPLY+=("$reply")
  done < <(
    compgen -W "$words" -- "$current"
    [[ -n $files && $current != -* ]] && compgen -f -- "$current"
  )
}
complete -o filenames -F _skein skein
`;

const takingValue = ({ options }: CommandNode): readonly string[] =>
  options.filter(({ value }) => value.kind !== 'none').flatMap(({ flags }) => flags);

const verbNames = ({ verbs }: CommandNode): readonly string[] => verbs.map(({ name }) => name);

/** Arms that only succeed: `'skein rollout list' | 'skein rollout get') return 0 ;;` */
function arms(
  tree: readonly CommandNode[],
  wordsOf: (node: CommandNode) => readonly string[],
  indent: string,
): string {
  const lines = tree.flatMap((node) => {
    const words = wordsOf(node);
    if (words.length === 0) return [];
    return [`${indent}${words.map((word) => `'${node.path} ${word}'`).join(' | ')}) return 0 ;;`];
  });
  return lines.join('\n');
}

function valueArms({ path, options }: CommandNode): readonly string[] {
  return options.flatMap(({ flags, value }) => {
    const pattern = flags.map((flag) => `'${path} ${flag}'`).join(' | ');
    if (value.kind === 'choice') return [`      ${pattern}) words='${value.choices.join(' ')}' ;;`];
    return value.kind === 'file' ? [`      ${pattern}) files=1 ;;`] : [];
  });
}

function placeArm(node: CommandNode): string {
  const flags = node.options.flatMap((option) => option.flags.filter((f) => f.startsWith('--')));
  const words = [...verbNames(node), ...flags].join(' ');
  return `      '${node.path}') words='${words}'${node.takesFiles ? ' files=1' : ''} ;;`;
}
