import { type Command, Option } from 'commander';
import {
  endedStatuses,
  type RolloutView,
  rolloutStatusNames,
} from '../../shared/contracts/api/rollout.ts';
import { type ApiSession, inSession } from '../api/api-session.ts';
import { durationMs } from '../api/arguments.ts';
import { pause, readPatiently } from '../api/watch.ts';
import { CommandEnded, exitCodes } from '../exit-code.ts';
import { rolloutPath, showRollout } from './show-rollout.ts';

interface WaitFlags {
  readonly for: RolloutView['status'];
  readonly timeout: number;
}

const everyMs = 500;

/** `skein rollout wait`: quiet, for scripts. 0 as asked for, 6 when it ended otherwise, 7 when the time is over. */
export function registerWait(rollout: Command): void {
  const wait = rollout.command('wait <rollout>').description('until it stands where it should');
  wait
    .addOption(
      new Option('--for <status>', 'what to wait for')
        .choices([...rolloutStatusNames])
        .default('completed'),
    )
    .option('--timeout <duration>', 'give up after', durationMs, 1_800_000)
    .action((id: string, flags: WaitFlags) =>
      inSession(wait, async (session) => {
        const last = await waitFor(session, id, flags);
        if (last === undefined) throw new CommandEnded(exitCodes.timeout);
        session.print.answer(last, showRollout);
        if (last.status === flags.for) return;
        const isEnded = endedStatuses.includes(last.status);
        throw new CommandEnded(isEnded ? exitCodes.rolloutUnhealthy : exitCodes.timeout);
      }),
    );
}

/** The newest state that was seen; undefined when the server never answered. */
async function waitFor(
  session: ApiSession,
  id: string,
  flags: WaitFlags,
): Promise<RolloutView | undefined> {
  const { client, print } = session;
  const deadlineMs = performance.now() + flags.timeout;
  let last: RolloutView | undefined;
  for (;;) {
    const read = async () => (await client.ask<RolloutView>(rolloutPath(session, id))).body;
    last = (await readPatiently(read, print)) ?? last;
    const isOver = last !== undefined && [flags.for, ...endedStatuses].includes(last.status);
    if (isOver || performance.now() >= deadlineMs) return last;
    await pause(everyMs);
  }
}
