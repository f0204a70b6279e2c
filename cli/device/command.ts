import type { Command } from 'commander';
import type {
  DeviceExplanation,
  DeviceRow,
  DeviceView,
  FilterPreviewView,
} from '../../shared/contracts/api/device.ts';
import { type ApiSession, inSession, withSession } from '../api/api-session.ts';
import { collectTag } from '../api/arguments.ts';
import { instant, shortDigest, table } from '../api/printer.ts';
import { answerOrWatch } from '../api/watch.ts';

/** `skein device`: look at devices, tag them, let them in, end them. */
export function registerDevice(program: Command): void {
  const device = withSession(program.command('device').description('the devices of a fleet'));
  registerList(device);
  registerGet(device);
  registerExplain(device);
  registerTag(device);
  for (const order of ['accept', 'reject', 'decommission'] as const) registerOrder(device, order);
  const preview = device.command('preview <filter>').description('whom a filter means');
  preview.action((filter: string) =>
    inSession(preview, async ({ client, fleet, print }) => {
      const path = `/fleets/${encodeURIComponent(fleet)}/filter-previews`;
      const answer = await client.ask<FilterPreviewView>(path, {
        method: 'POST',
        body: { filter },
      });
      print.answer(answer.body, ({ filter: spelling, count, samples }) =>
        [`${count} devices: ${spelling}`, showRows(samples)].join('\n'),
      );
    }),
  );
}

const devicePath = ({ fleet }: ApiSession, device: string): string =>
  `/fleets/${encodeURIComponent(fleet)}/devices/${encodeURIComponent(device)}`;

const showRows = (rows: readonly DeviceRow[]): string =>
  table(
    ['DEVICE', 'STATE', 'ONLINE', 'LAST SEEN', 'AGENT', 'TAGS'],
    rows.map((row) => [
      row.device,
      row.state,
      row.online ? 'yes' : 'no',
      instant(row.lastSeenMs),
      row.agentVersion,
      Object.entries(row.tags)
        .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
        .join(' '),
    ]),
  );

function registerList(device: Command): void {
  const list = device.command('list').description('devices, filtered by the targeting language');
  list
    .option('--where <filter>', "such as 'tags.site = oslo and online = true'")
    .option('--watch', 'print again whenever it changes')
    .action((flags: { readonly where?: string; readonly watch?: boolean }) =>
      inSession(list, async ({ client, fleet, print }) => {
        const path = `/fleets/${encodeURIComponent(fleet)}/devices`;
        const read = () => client.all<DeviceRow>(path, { filter: flags.where });
        await answerOrWatch(print, flags, { read, show: ({ items }) => showRows(items) });
      }),
    );
}

function registerGet(device: Command): void {
  const get = device.command('get <device>').description('what it should run and what it runs');
  get.option('--watch', 'print again whenever it changes');
  get.action((id: string, flags: { readonly watch?: boolean }) =>
    inSession(get, async (session) => {
      const { client, print } = session;
      const read = async () => (await client.ask<DeviceView>(devicePath(session, id))).body;
      await answerOrWatch(print, flags, { read, show: showWhole });
    }),
  );
}

function showWhole(view: DeviceView): string {
  const apps = table(
    ['APP', 'WANTED', 'PHASE', 'RUNS', 'REASON'],
    view.apps.map((app) => [
      app.app,
      app.desired?.path,
      app.phase,
      shortDigest(app.active),
      app.reason,
    ]),
  );
  return [
    showRows([view]),
    `generation ${view.generation.issued}, seen ${view.generation.seen}`,
    apps,
  ].join('\n');
}

function registerExplain(device: Command): void {
  const explain = device.command('explain <device>').description('why it runs what it runs');
  explain
    .option('--rollout <id>', 'about this rollout')
    .action((id: string, { rollout }: { readonly rollout?: string }) =>
      inSession(explain, async (session) => {
        const { client, print } = session;
        const path = `${devicePath(session, id)}/explanation`;
        const { body } = await client.ask<DeviceExplanation>(path, { query: { rollout } });
        print.answer(body, ({ apps }) =>
          apps.length === 0
            ? `${id} has no app, and no rollout wants it`
            : apps.map((app) => app.sentence).join('\n'),
        );
      }),
    );
}

function registerTag(device: Command): void {
  const tag = device.command('tag <device>').description('replace all tags of a device');
  tag
    .option('--tag <name=value>', 'a tag; may repeat; none removes all', collectTag)
    .action((id: string, flags: { readonly tag?: Readonly<Record<string, string>> }) =>
      inSession(tag, async (session) => {
        const { client, print } = session;
        const path = devicePath(session, id);
        const ifMatch = (await client.ask<DeviceView>(path)).etag ?? '';
        const body = { tags: flags.tag ?? {} };
        const done = await client.ask<DeviceRow>(`${path}/tags`, { method: 'PUT', body, ifMatch });
        print.answer(done.body, (row) => showRows([row]));
      }),
    );
}

function registerOrder(device: Command, order: 'accept' | 'reject' | 'decommission'): void {
  const verb = device.command(`${order} <device>`).description(descriptions[order]);
  verb
    .option('--why <text>', 'for the audit chain')
    .option('--key <digest>', 'only if the device has this key')
    .action((id: string, flags: { readonly why?: string; readonly key?: string }) =>
      inSession(verb, async (session) => {
        const { client, print } = session;
        const path = devicePath(session, id);
        const seen = await client.ask<DeviceView>(path);
        if (flags.key !== undefined && flags.key !== seen.body.keyDigest) {
          verb.error(`error: ${id} has the key ${seen.body.keyDigest}`);
        }
        const request = {
          method: 'POST',
          body: { why: flags.why },
          ifMatch: seen.etag ?? '',
        } as const;
        const done = await client.ask<DeviceRow>(`${path}/${order}`, request);
        print.answer(done.body, (row) => `${row.device} is ${row.state} (key ${row.keyDigest})`);
      }),
    );
}

const descriptions = {
  accept: 'let it in',
  reject: 'refuse a pending device',
  decommission: 'end it: its session is cut at once',
} as const;
