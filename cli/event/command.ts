import type { Command } from 'commander';
import type { EventView } from '../../shared/contracts/api/event.ts';
import { type ApiSession, inSession, withSession } from '../api/api-session.ts';
import { instant } from '../api/printer.ts';
import { pause, readPatiently } from '../api/watch.ts';

/** `skein event`: what happens in a fleet. */
export function registerEvent(program: Command): void {
  const event = withSession(program.command('event').description('what happens in a fleet'));
  const list = event.command('list').description('events, oldest first');
  list.action(() =>
    inSession(list, async ({ client, fleet, print }) => {
      const path = `/fleets/${encodeURIComponent(fleet)}/events`;
      const page = await client.all<EventView>(path);
      print.answer(page, ({ items }) => items.map(show).join('\n'));
    }),
  );
  const follow = event.command('watch').description('events as they happen; resumes by itself');
  follow
    .option('--after <id>', 'start after this event')
    .action((flags: { readonly after?: string }) =>
      inSession(follow, (session) => followEvents(session, flags.after)),
    );
}

const show = (event: EventView): string =>
  `${instant(event.atMs)} ${event.kind} ${event.subject} ${JSON.stringify(event.content)}`;

async function followEvents(session: ApiSession, after: string | undefined): Promise<void> {
  const { client, fleet, print } = session;
  const path = `/fleets/${encodeURIComponent(fleet)}/events/stream`;
  let lastId = after;
  for (;;) {
    await readPatiently(async () => {
      for await (const frame of client.stream(path, lastId)) {
        const { id, event, data } = fieldsOf(frame);
        if (event === 'gap') print.say('some events between are no longer kept');
        else if (data !== undefined) print.line(JSON.parse(data) as EventView, show);
        lastId = id ?? lastId;
      }
    }, print);
    await pause(1_000);
  }
}

function fieldsOf(frame: string): Readonly<Record<string, string | undefined>> {
  const lines = frame.split('\n').filter((line) => !line.startsWith(':'));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf(': ');
      return [line.slice(0, at), line.slice(at + 2)];
    }),
  );
}
