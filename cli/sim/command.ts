import { type Command, InvalidArgumentError, Option } from 'commander';
import type { SwarmResult } from '../../sim/scenarios/swarm-run.ts';
import { wholeNumber } from '../api/arguments.ts';
import { outputOption } from '../api/output-option.ts';
import { Printer, table } from '../api/printer.ts';
import { CommandEnded, exitCodes } from '../exit-code.ts';

interface RunFlags {
  readonly seed: string;
  readonly devices: number;
  readonly hours: number;
  readonly output: 'table' | 'json';
}

/** `skein sim`: the product's own server and agents under a virtual clock, network, disk and runtime. */
export function registerSim(program: Command): void {
  const sim = program
    .command('sim')
    .description('live through faults: run the real server and agents in a simulated world');
  registerRun(sim);
}

function registerRun(sim: Command): void {
  const run = sim
    .command('run')
    .description('one seed: two releases under the faults it draws, then without them')
    .addOption(
      new Option('--seed <seed>', 'a whole number below 2^53, or 40 hexadecimal characters')
        .argParser(seedOf)
        .default('1'),
    )
    .addOption(countOption('--devices <n>', 'devices of the fleet', { most: 1_000, value: 6 }))
    .addOption(countOption('--hours <n>', 'how long faults strike', { most: 8_760, value: 1 }))
    .addOption(outputOption())
    .addHelpText(
      'after',
      '\nEnds with 127 when the run itself crashed, 128 when something still waits although all was mended,\nand 129 when a promise was broken. The same seed gives the same traceHash.',
    );
  run.action(async ({ output, ...asked }: RunFlags) => {
    const print = new Printer(run, output);
    const result = await live(asked, print);
    const { violations, unfinished, ...facts } = result;
    const answer = { ...facts, violations: violations.length, broken: violations, unfinished };
    // One line, the last, so that a script can take it.
    if (print.isJson) print.line(answer, () => '');
    else print.answer(result, showRun);
    if (violations.length > 0) throw new CommandEnded(exitCodes.simulationBroken);
    if (unfinished.length > 0) throw new CommandEnded(exitCodes.simulationStuck);
  });
}

async function live(asked: Omit<RunFlags, 'output'>, print: Printer): Promise<SwarmResult> {
  const { runSwarm } = await import('../../sim/scenarios/swarm-run.ts');
  try {
    return await runSwarm(asked);
  } catch (error) {
    const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
    print.say(`seed ${asked.seed} crashed: ${words}`);
    throw new CommandEnded(exitCodes.simulationCrashed);
  }
}

function showRun(result: SwarmResult): string {
  const { seed, devices, simulatedHours, faults, rollouts, violations, unfinished } = result;
  const struck = Object.entries(faults).map(([kind, count]) => `${count} ${kind}`);
  return [
    `seed ${seed}: ${devices} devices, ${simulatedHours} h with ${struck.join(', ') || 'no faults'}`,
    table(
      ['BUNDLE', 'ENDED'],
      rollouts.map(({ bundle, state }) => [bundle, state]),
    ),
    ...violations.map(
      ({ invariant, atMs, message }) =>
        `broken after ${Math.floor(atMs / 1000)} s: ${invariant}: ${message}`,
    ),
    ...unfinished.map((what) => `still waits: ${what}`),
    `${violations.length} promises broken, trace ${result.traceHash}`,
  ].join('\n');
}

function countOption(
  flag: string,
  what: string,
  { most, value }: { readonly most: number; readonly value: number },
): Option {
  const parse = (text: string): number => {
    const count = wholeNumber(text);
    if (count >= 1 && count <= most) return count;
    throw new InvalidArgumentError(`Between 1 and ${most}.`);
  };
  return new Option(flag, what).argParser(parse).default(value);
}

/** A commit is a seed, too. */
function seedOf(text: string): string {
  const isNumber = /^(0|[1-9][0-9]{0,15})$/.test(text) && Number.isSafeInteger(Number(text));
  if (isNumber || /^[0-9a-f]{40}$/.test(text)) return text;
  throw new InvalidArgumentError('Write a whole number below 2^53, or a commit.');
}
