import type { Command } from 'commander';
import type { FleetView } from '../../shared/contracts/api/fleet.ts';
import { inSession, withSession } from '../api/api-session.ts';
import { instant, table } from '../api/printer.ts';
import { answerOrWatch } from '../api/watch.ts';

/** `skein fleet`: the fleets of a server. */
export function registerFleet(program: Command): void {
  const fleet = withSession(program.command('fleet').description('the fleets of a server'));
  const list = fleet.command('list').description('fleets that your token may see');
  list
    .option('--watch', 'print again whenever it changes')
    .action((flags: { readonly watch?: boolean }) =>
      inSession(list, async ({ client, print }) => {
        const read = async () => (await client.ask<FleetList>('/fleets')).body;
        await answerOrWatch(print, flags, { read, show: showRows });
      }),
    );
  const create = fleet.command('create <name>').description('make a fleet');
  create
    .option('--title <text>', 'what people call it', '')
    .action((name: string, { title }: { readonly title: string }) =>
      inSession(create, async ({ client, print }) => {
        const body = { fleet: name, title };
        const made = await client.ask<FleetView>('/fleets', { method: 'POST', body });
        print.answer(made.body, (view) => `fleet ${view.fleet} made`);
      }),
    );
}

interface FleetList {
  readonly items: readonly FleetView[];
}

const showRows = ({ items }: FleetList): string =>
  table(
    ['FLEET', 'TITLE', 'CREATED'],
    items.map((item) => [item.fleet, item.title, instant(item.createdAtMs)]),
  );
