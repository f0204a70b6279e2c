import { Argument, type Command } from 'commander';
import { bashScript } from './bash-script.ts';
import { type CommandNode, readCommandTree } from './command-tree.ts';
import { fishScript } from './fish-script.ts';
import { zshScript } from './zsh-script.ts';

const scripts: Readonly<Record<string, (tree: readonly CommandNode[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** `skein completion`: a script for the shell, made from the program as it is now. */
export function registerCompletion(program: Command, whole: () => Promise<Command>): void {
  const completion = program
    .command('completion')
    .description('print the completion script for bash, zsh or fish')
    .addArgument(new Argument('<shell>', 'whose script').choices(Object.keys(scripts)))
    .addHelpText('after', '\nIn ~/.bashrc: source <(skein completion bash)');
  completion.action(async (shell: string) => {
    const tree = readCommandTree(await whole());
    completion.configureOutput().writeOut?.(scripts[shell]?.(tree) ?? '');
  });
}
