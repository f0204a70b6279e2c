import type { Command } from 'commander';
import type {
  RolloutEventView,
  RolloutRow,
  RolloutView,
} from '../../shared/contracts/api/rollout.ts';
import { endedStatuses } from '../../shared/contracts/api/rollout.ts';
import type { Explanation } from '../../shared/contracts/explanation.ts';
import { type ApiSession, inSession, withSession } from '../api/api-session.ts';
import { instant, shortDigest, table } from '../api/printer.ts';
import { answerOrWatch } from '../api/watch.ts';
import { registerCreate, registerEdit } from './create-rollout.ts';
import { rolloutPath, showRollout } from './show-rollout.ts';
import { registerWait } from './wait-rollout.ts';

/** `skein rollout`: draft, edit, order, watch, wait, ask why. */
export function registerRollout(program: Command): void {
  const rollout = withSession(program.command('rollout').description('rollouts in canary waves'));
  registerCreate(rollout);
  registerEdit(rollout);
  registerList(rollout);
  registerGet(rollout);
  registerExplain(rollout);
  registerEvents(rollout);
  registerWait(rollout);
  for (const [order, summary] of Object.entries(orders)) {
    registerOrder(rollout, order, summary);
  }
  registerApprove(rollout);
}

const orders = {
  submit: 'start it, or send it to an approver',
  deny: 'send it back to its author',
  pause: 'offer nothing more',
  resume: 'go on where it was paused',
  promote: 'go on to the next wave without waiting for the verdict',
  abort: 'bring every exposed device back to what it ran before',
  retry: 'let devices try again that failed',
} as const;

function registerList(rollout: Command): void {
  const list = rollout.command('list').description('rollouts, newest first');
  list
    .option('--status <status>', 'only those')
    .option('--app <name>', 'only of this app')
    .option('--watch', 'print again whenever it changes')
    .action((flags: ListFlags) =>
      inSession(list, async ({ client, fleet, print }) => {
        const path = `/fleets/${encodeURIComponent(fleet)}/rollouts`;
        const query = { status: flags.status, app: flags.app };
        const read = () => client.all<RolloutRow>(path, query);
        await answerOrWatch(print, flags, { read, show: showRows });
      }),
    );
}

interface ListFlags {
  readonly status?: string;
  readonly app?: string;
  readonly watch?: boolean;
}

const showRows = ({ items }: { readonly items: readonly RolloutRow[] }): string =>
  table(
    ['ROLLOUT', 'APP', 'DIGEST', 'PLACE', 'AUTHOR', 'CREATED'],
    items.map((row) => [
      row.rollout,
      row.app,
      shortDigest(row.digest),
      row.place,
      row.author,
      instant(row.createdAtMs),
    ]),
  );

function registerGet(rollout: Command): void {
  const get = rollout.command('get <rollout>').description('its plan, place and devices');
  get
    .option('--watch', 'print again whenever it changes, until it has ended')
    .action((id: string, flags: { readonly watch?: boolean }) =>
      inSession(get, async (session) => {
        const { client, print } = session;
        const read = async () => (await client.ask<RolloutView>(rolloutPath(session, id))).body;
        const isOver = ({ status }: RolloutView) => endedStatuses.includes(status);
        await answerOrWatch(print, flags, { read, show: showRollout, isOver });
      }),
    );
}

function registerExplain(rollout: Command): void {
  const explain = rollout.command('explain <rollout>').description('why it stands where it stands');
  explain.action((id: string) =>
    inSession(explain, async (session) => {
      const path = `${rolloutPath(session, id)}/explanation`;
      const { body } = await session.client.ask<Explanation>(path);
      session.print.answer(body, ({ sentence }) => sentence);
    }),
  );
}

function registerEvents(rollout: Command): void {
  const events = rollout.command('events <rollout>').description('who did what, when and why');
  events.action((id: string) =>
    inSession(events, async (session) => {
      const path = `${rolloutPath(session, id)}/events`;
      const page = await session.client.all<RolloutEventView>(path);
      session.print.answer(page, ({ items }) =>
        table(
          ['AT', 'WHO', 'BECAME', 'REASON'],
          items.map((event) => [instant(event.atMs), event.actor, event.kind, event.reason]),
        ),
      );
    }),
  );
}

function registerOrder(rollout: Command, order: string, summary: string): void {
  const verb = rollout.command(`${order} <rollout>`).description(summary);
  if (order !== 'submit') verb.option('--why <text>', 'for the audit chain');
  verb.action((id: string, flags: { readonly why?: string }) =>
    inSession(verb, async (session) => {
      await give(session, id, { order, bodyOf: () => ({ why: flags.why }) });
    }),
  );
}

function registerApprove(rollout: Command): void {
  const approve = rollout
    .command('approve <rollout>')
    .description('approve exactly the plan that is shown now');
  approve.action((id: string) =>
    inSession(approve, async (session) => {
      await give(session, id, { order: 'approve', bodyOf: ({ binding }) => ({ binding }) });
    }),
  );
}

/** Reads the rollout, then orders on exactly what was read: somebody else's order in between makes this one fail. */
async function give(
  session: ApiSession,
  id: string,
  { order, bodyOf }: { readonly order: string; readonly bodyOf: (seen: RolloutView) => unknown },
): Promise<void> {
  const { client, print } = session;
  const path = rolloutPath(session, id);
  const seen = await client.ask<RolloutView>(path);
  const request = { method: 'POST', body: bodyOf(seen.body), ifMatch: seen.etag ?? '' } as const;
  const done = await client.ask<RolloutView>(`${path}/${order}`, request);
  print.answer(done.body, showRollout);
}
