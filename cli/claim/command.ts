import type { Command } from 'commander';
import type { ClaimView, IssuedClaimView } from '../../shared/contracts/api/claim.ts';
import { inSession, withSession } from '../api/api-session.ts';
import { collectTag, durationMs, wholeNumber } from '../api/arguments.ts';
import { instant, table } from '../api/printer.ts';
import { answerOrWatch } from '../api/watch.ts';

interface CreateFlags {
  readonly ids?: string;
  readonly uses?: number;
  readonly life?: number;
  readonly preAuthorized?: boolean;
  readonly tag?: Readonly<Record<string, string>>;
}

/** `skein claim`: permissions to enrol. */
export function registerClaim(program: Command): void {
  const claim = withSession(program.command('claim').description('permissions to enrol devices'));
  const create = claim.command('create').description('make a claim; it is shown this once');
  create
    .option('--ids <glob>', 'device ids it may enrol; all when absent')
    .option('--uses <n>', 'how many devices; 1 when absent', wholeNumber)
    .option('--life <duration>', 'how long; 1h when absent', durationMs)
    .option('--pre-authorized', 'devices are accepted at once, without a person')
    .option('--tag <name=value>', 'tag of its devices; may repeat', collectTag)
    .action((flags: CreateFlags) =>
      inSession(create, async ({ client, fleet, print }) => {
        const body = {
          idPattern: flags.ids,
          uses: flags.uses,
          lifeMs: flags.life,
          preAuthorized: flags.preAuthorized,
          tags: flags.tag,
        };
        const path = `/fleets/${encodeURIComponent(fleet)}/claims`;
        const made = await client.ask<IssuedClaimView>(path, { method: 'POST', body });
        print.answer(made.body, (view) => view.enrolment);
        print.say(`good for ${made.body.usesLeft} until ${instant(made.body.expiresAtMs)}`);
        print.say(`next, on the device: skein agent enrol STRING --fleet ${fleet} --state FOLDER`);
      }),
    );
  const list = claim.command('list').description('claims by their hashes');
  list
    .option('--watch', 'print again whenever it changes')
    .action((flags: { readonly watch?: boolean }) =>
      inSession(list, async ({ client, fleet, print }) => {
        const path = `/fleets/${encodeURIComponent(fleet)}/claims`;
        const read = async () => (await client.ask<ClaimList>(path)).body;
        await answerOrWatch(print, flags, { read, show: showRows });
      }),
    );
  const remove = claim.command('revoke <hash>').description('take a claim back');
  remove.action((hash: string) =>
    inSession(remove, async ({ client, fleet, print }) => {
      const path = `/fleets/${encodeURIComponent(fleet)}/claims/${encodeURIComponent(hash)}`;
      await client.ask(path, { method: 'DELETE' });
      print.answer({ claimHash: hash, revoked: true }, () => `claim ${hash} revoked`);
    }),
  );
}

interface ClaimList {
  readonly items: readonly ClaimView[];
}

const showRows = ({ items }: ClaimList): string =>
  table(
    ['CLAIM', 'IDS', 'LEFT', 'EXPIRES', 'PRE-AUTHORIZED', 'BY'],
    items.map((item) => [
      item.claimHash,
      item.idPattern,
      item.usesLeft,
      instant(item.expiresAtMs),
      item.preAuthorized,
      item.createdBy,
    ]),
  );
