import { type Command, Option } from 'commander';
import {
  endedPhases,
  type RoundRow,
  type RoundView,
  roundPhaseNames,
} from '../../shared/contracts/api/round.ts';
import type { Explanation } from '../../shared/contracts/explanation.ts';
import { inSession, withSession } from '../api/api-session.ts';
import { durationMs } from '../api/arguments.ts';
import { instant, table } from '../api/printer.ts';
import { answerOrWatch, pause, readPatiently } from '../api/watch.ts';
import { CommandEnded, exitCodes } from '../exit-code.ts';
import { roundPath, roundsPath, showRound } from './show-round.ts';
import { registerStart } from './start-round.ts';

/** `skein federation`: rounds that make a candidate of what devices have learned. */
export function registerFederation(program: Command): void {
  const federation = withSession(
    program.command('federation').description('federated rounds and their candidates'),
  );
  registerStart(federation);
  registerList(federation);
  registerShow(federation);
  registerExplain(federation);
  registerWait(federation);
  registerAbandon(federation);
}

function registerList(federation: Command): void {
  const list = federation.command('list').description('rounds, newest first');
  list
    .option('--watch', 'print again whenever it changes')
    .action((flags: { readonly watch?: boolean }) =>
      inSession(list, async (session) => {
        const read = () => session.client.all<RoundRow>(roundsPath(session));
        await answerOrWatch(session.print, flags, { read, show: showRows });
      }),
    );
}

const showRows = ({ items }: { readonly items: readonly RoundRow[] }): string =>
  table(
    ['ROUND', 'APP', 'BUNDLE', 'PHASE', 'UPDATES', 'AUTHOR', 'CREATED'],
    items.map((row) => [
      row.round,
      row.app,
      row.bundle,
      row.phase,
      `${row.counted}/${row.goalDevices}`,
      row.author,
      instant(row.createdAtMs),
    ]),
  );

function registerShow(federation: Command): void {
  const show = federation.command('show <round>').description('its updates, candidate, evidence');
  show
    .option('--watch', 'print again whenever it changes, until it has ended')
    .action((id: string, flags: { readonly watch?: boolean }) =>
      inSession(show, async (session) => {
        const { client, print } = session;
        const read = async () => (await client.ask<RoundView>(roundPath(session, id))).body;
        const isOver = ({ phase }: RoundView) => endedPhases.includes(phase);
        await answerOrWatch(print, flags, { read, show: showRound, isOver });
      }),
    );
}

function registerExplain(federation: Command): void {
  const explain = federation.command('explain <round>').description('what it waits for, or why');
  explain.action((id: string) =>
    inSession(explain, async (session) => {
      const path = `${roundPath(session, id)}/explanation`;
      const { body } = await session.client.ask<Explanation>(path);
      session.print.answer(body, ({ sentence }) => sentence);
    }),
  );
}

const everyMs = 500;

/** Quiet, for scripts. 0 as asked for, 6 when it ended otherwise, 7 when the time is over. */
function registerWait(federation: Command): void {
  const wait = federation.command('wait <round>').description('until it stands where it should');
  wait
    .addOption(
      new Option('--for <phase>', 'what to wait for')
        .choices([...roundPhaseNames])
        .default('completed'),
    )
    .option('--timeout <duration>', 'give up after', durationMs, 1_800_000)
    .action((id: string, flags: { readonly for: RoundView['phase']; readonly timeout: number }) =>
      inSession(wait, async (session) => {
        const { client, print } = session;
        const read = async () => (await client.ask<RoundView>(roundPath(session, id))).body;
        const deadlineMs = performance.now() + flags.timeout;
        for (;;) {
          const last = await readPatiently(read, print);
          const isOver = last !== undefined && endedPhases.includes(last.phase);
          if (last !== undefined && (isOver || last.phase === flags.for)) {
            print.answer(last, showRound);
            if (last.phase === flags.for) return;
            throw new CommandEnded(exitCodes.rolloutUnhealthy);
          }
          if (performance.now() >= deadlineMs) throw new CommandEnded(exitCodes.timeout);
          await pause(everyMs);
        }
      }),
    );
}

function registerAbandon(federation: Command): void {
  const abandon = federation.command('abandon <round>').description('give it up');
  abandon.action((id: string) =>
    inSession(abandon, async (session) => {
      const { client, print } = session;
      const path = roundPath(session, id);
      const seen = await client.ask<RoundView>(path);
      const request = { method: 'POST', ifMatch: seen.etag ?? '' } as const;
      const done = await client.ask<RoundView>(`${path}/abandon`, request);
      print.answer(done.body, showRound);
    }),
  );
}
