import type { Command } from 'commander';
import type { AuditRowView } from '../../shared/contracts/api/audit.ts';
import { inSession, withSession } from '../api/api-session.ts';
import { instant, table } from '../api/printer.ts';
import { answerOrWatch } from '../api/watch.ts';
import { verifyChain } from './verify-chain.ts';

/** `skein audit`: the hash-chained record of who did what. */
export function registerAudit(program: Command): void {
  const audit = withSession(program.command('audit').description('who did what, hash-chained'));
  const list = audit.command('list').description("the fleet's rows");
  list
    .option('--watch', 'print again whenever it changes')
    .action((flags: { readonly watch?: boolean }) =>
      inSession(list, async ({ client, fleet, print }) => {
        const path = `/fleets/${encodeURIComponent(fleet)}/audit`;
        const read = () => client.all<AuditRowView>(path);
        await answerOrWatch(print, flags, { read, show: showRows });
      }),
    );
  const verify = audit
    .command('verify')
    .description('compute the whole chain again here; the server is not asked whether it is right');
  verify
    .option(
      '--home <folder>',
      "the operator's folder, which remembers the heads of each server",
      '.skein',
    )
    .option('--witness <file>', 'heads that were seen elsewhere; the new one is added')
    .action((flags: { readonly home: string; readonly witness?: string }) =>
      inSession(verify, (session) => verifyChain(session, flags)),
    );
}

const showRows = ({ items }: { readonly items: readonly AuditRowView[] }): string =>
  table(
    ['NUMBER', 'AT', 'WHO', 'WHAT', 'SUBJECT'],
    items.map((row) => [row.number, instant(row.atMs), row.actor, row.action, row.subject]),
  );
