import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { BundleView } from '../../shared/contracts/api/bundle.ts';
import type { RoundView } from '../../shared/contracts/api/round.ts';
import type { RoundRequest } from '../../shared/contracts/federation.ts';
import type { RolloutPolicy } from '../../shared/contracts/rollout.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { digestOf } from '../../shared/trust/hash.ts';
import { type ApiSession, inSession } from '../api/api-session.ts';
import { durationMs, waves, wholeNumber } from '../api/arguments.ts';
import { roundsPath, showRound } from './show-round.ts';

interface StartFlags {
  readonly bundle: string;
  readonly heldOut: string;
  readonly devices: number;
  readonly candidateVersion?: string;
  readonly epochs: number;
  readonly batchRows: number;
  readonly learningRate: number;
  readonly weightSamplesMax: number;
  readonly minimumShare: number;
  readonly selection: number;
  readonly reporting: number;
  readonly target?: string;
  readonly waves?: RolloutPolicy['waves'];
  readonly soak?: number;
}

const decimal = (text: string): number => {
  const value = Number(text);
  if (text !== '' && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('Write a number above 0.');
};

/** `skein federation start`: brings the held-out set, then asks for the round. */
export function registerStart(federation: Command): void {
  const start = federation.command('start').description('start a round over a federable bundle');
  start
    .requiredOption('--bundle <name@version>', 'the bundle that devices run and train from')
    .requiredOption('--held-out <file>', 'labelled held-out inputs that the candidate is gated on')
    .requiredOption('--devices <count>', 'updates that are averaged', wholeNumber)
    .option('--epochs <count>', 'passes over a device’s own examples', wholeNumber, 5)
    .option('--batch-rows <count>', 'examples of one step', wholeNumber, 8)
    .option('--learning-rate <rate>', 'of each step', decimal, 1)
    .option('--weight-samples-max <count>', 'examples that count for a vote', wholeNumber, 512)
    .option(
      '--minimum-share <share>',
      'of the devices that is enough when time is up',
      decimal,
      0.7,
    )
    .option('--selection <duration>', 'how long devices are waited for', durationMs, 600_000)
    .option('--reporting <duration>', 'how long updates are waited for', durationMs, 3_600_000)
    .option('--candidate-version <version>', 'its name; the next minor version when absent')
    .option('--target <filter>', "whom the candidate is for; 'state = accepted' when absent")
    .option('--waves <list>', 'of the candidate’s rollout, such as 1%,10%,50%,100%', waves)
    .option('--soak <duration>', 'how long each of these waves is watched', durationMs)
    .action((flags: StartFlags) =>
      inSession(start, async (session) => {
        const bytes = await readSet(flags.heldOut);
        const heldOut = digestOf(bytes);
        const body = requestOf(flags, await findBundle(session, flags.bundle), heldOut);
        const path = `/fleets/${encodeURIComponent(session.fleet)}/held-out/${heldOut}`;
        await session.client.ask(path, { method: 'PUT', bytes });
        const request = { method: 'POST', body } as const;
        const made = await session.client.ask<RoundView>(roundsPath(session), request);
        session.print.answer(made.body, showRound);
        session.print.say(`next: skein federation wait ${made.body.round}`);
      }),
    );
}

function requestOf(
  flags: StartFlags,
  bundle: BundleView,
  heldOut: RoundRequest['heldOut'],
): RoundRequest {
  const { epochs, batchRows, learningRate, devices, weightSamplesMax } = flags;
  const { target = 'state = accepted', soak, candidateVersion: version } = flags;
  const steps = flags.waves ?? [1, 10, 50, 100].map((percent) => ({ percent }));
  return {
    app: bundle.name,
    bundle: { path: bundle.path, digest: bundle.digest },
    training: { epochs, batchRows, learningRate, goalDevices: devices, weightSamplesMax },
    minimumShare: flags.minimumShare,
    ...{ selectionMs: flags.selection, reportingMs: flags.reporting, heldOut },
    ...(version === undefined ? {} : { version }),
    rollout: { target, waves: [...steps], ...(soak === undefined ? {} : { soakMs: soak }) },
  };
}

async function readSet(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new OperatingError('command-line-invalid', `${file} cannot be read`, { cause });
  }
}

async function findBundle({ client, fleet }: ApiSession, wanted: string): Promise<BundleView> {
  const [name = ''] = wanted.split('@');
  const path = `/fleets/${encodeURIComponent(fleet)}/bundles`;
  for await (const bundle of client.items<BundleView>(path, { name })) {
    if (`${bundle.name}@${bundle.version}` === wanted) return bundle;
  }
  throw new OperatingError('not-found', `the fleet has no bundle ${wanted}`);
}
