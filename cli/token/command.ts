import { type Command, Option } from 'commander';
import { writeSecretFile } from '../../fleet-server/adapters/files/secret-file.ts';
import {
  type IssuedTokenView,
  roleNames,
  type TokenView,
} from '../../shared/contracts/api/token.ts';
import { inSession, withSession } from '../api/api-session.ts';
import { collect, durationMs } from '../api/arguments.ts';
import { instant, table } from '../api/printer.ts';
import { answerOrWatch } from '../api/watch.ts';

interface CreateFlags {
  readonly role: string;
  readonly for?: readonly string[];
  readonly life?: number;
  readonly to?: string;
}

/** `skein token`: API tokens of people and machines. */
export function registerToken(program: Command): void {
  const token = withSession(program.command('token').description('API tokens'));
  registerCreate(token);
  const list = token.command('list').description('tokens by name; none is shown');
  list
    .option('--watch', 'print again whenever it changes')
    .action((flags: { readonly watch?: boolean }) =>
      inSession(list, async ({ client, print }) => {
        const read = async () => (await client.ask<TokenList>('/tokens')).body;
        await answerOrWatch(print, flags, { read, show: showRows });
      }),
    );
  const revoke = token.command('revoke <name>').description('its next request is refused');
  revoke.action((name: string) =>
    inSession(revoke, async ({ client, print }) => {
      await client.ask(`/tokens/${encodeURIComponent(name)}`, { method: 'DELETE' });
      print.answer({ name, revoked: true }, () => `token ${name} revoked`);
    }),
  );
  const whoami = token.command('whoami').description('what your token may do');
  whoami.action(() =>
    inSession(whoami, async ({ client, print }) => {
      const { body } = await client.ask<Pick<TokenView, 'name' | 'role' | 'fleets'>>('/whoami');
      print.answer(body, ({ name, role, fleets }) =>
        [`${name}, ${role}`, fleets.length === 0 ? 'all fleets' : fleets.join(' ')].join(', '),
      );
    }),
  );
}

interface TokenList {
  readonly items: readonly TokenView[];
}

const showRows = ({ items }: TokenList): string =>
  table(
    ['NAME', 'ROLE', 'FLEETS', 'CREATED', 'EXPIRES', 'REVOKED'],
    items.map((item) => [
      item.name,
      item.role,
      item.fleets.length === 0 ? 'all' : item.fleets.join(' '),
      instant(item.createdAtMs),
      instant(item.expiresAtMs),
      instant(item.revokedAtMs),
    ]),
  );

function registerCreate(token: Command): void {
  const create = token.command('create <name>').description('make a token; it is shown this once');
  create
    .addOption(
      new Option('--role <role>', 'what it may do').choices([...roleNames]).makeOptionMandatory(),
    )
    .option('--for <fleet>', 'a fleet it may see; may repeat; none means all', collect)
    .option('--life <duration>', 'how long; until revoked when absent', durationMs)
    .option('--to <file>', 'write it to a new file only you can read, instead of showing it')
    .action((name: string, flags: CreateFlags) =>
      inSession(create, async ({ client, print }) => {
        const body = { name, role: flags.role, fleets: flags.for ?? [], lifeMs: flags.life };
        const made = await client.ask<IssuedTokenView>('/tokens', { method: 'POST', body });
        if (flags.to === undefined) {
          print.answer(made.body, (view) => view.token);
          return;
        }
        await writeSecretFile(flags.to, `${made.body.token}\n`);
        const { token: _, ...shown } = made.body;
        print.answer({ ...shown, file: flags.to }, (view) => `token ${view.name} in ${view.file}`);
      }),
    );
}
