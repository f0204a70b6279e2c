/** What the supervisor's parent hands to the agent's process, as plain arguments. */
export interface AgentArguments {
  /** Absolute path of the state folder. */
  readonly state: string;
  readonly configFile: string | undefined;
  readonly settings: readonly string[];
}

export const writeAgentArguments = ({
  state,
  configFile,
  settings,
}: AgentArguments): readonly string[] => [
  ...['--state', state],
  ...(configFile === undefined ? [] : ['--config', configFile]),
  ...settings.flatMap((setting) => ['--set', setting]),
];

/** Reads what `writeAgentArguments` wrote; the supervisor's own `--previous-exit` may follow. */
export function readAgentArguments(args: readonly string[]): AgentArguments {
  const all = (name: string): readonly string[] =>
    args.flatMap((arg, at) => (at % 2 === 0 && arg === name ? [args[at + 1] ?? ''] : []));
  return { state: all('--state')[0] ?? '', configFile: all('--config')[0], settings: all('--set') };
}
