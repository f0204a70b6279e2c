import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { startAuditVerifier } from '../../fleet-server/core/audit/audit-verifier.ts';
import type { AuditRow } from '../../fleet-server/core/model/audit-row.ts';
import { createDecoder } from '../../shared/codec/validator.ts';
import { type AuditRowView, AuditWitnessSchema } from '../../shared/contracts/api/audit.ts';
import type { AuditHead } from '../../shared/contracts/desired.ts';
import { errorCodes } from '../../shared/contracts/error-codes.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { type ApiSession, inSession, withSession } from '../api/api-session.ts';
import { instant, table } from '../api/printer.ts';
import { answerOrWatch } from '../api/watch.ts';

const decodeWitness = createDecoder(AuditWitnessSchema, 1024 * 1024);
const headsKeptMax = 1024;

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
    .option('--witness <file>', 'heads seen before; the new one is added')
    .action((flags: { readonly witness?: string }) =>
      inSession(verify, (session) => verifyChain(session, flags.witness)),
    );
}

const showRows = ({ items }: { readonly items: readonly AuditRowView[] }): string =>
  table(
    ['NUMBER', 'AT', 'WHO', 'WHAT', 'SUBJECT'],
    items.map((row) => [row.number, instant(row.atMs), row.actor, row.action, row.subject]),
  );

async function verifyChain({ client, print }: ApiSession, file: string | undefined): Promise<void> {
  const witnesses = file === undefined ? [] : await readWitness(file);
  const verifier = startAuditVerifier(witnesses);
  for await (const row of client.items<AuditRowView>('/audit')) verifier.add(row as AuditRow);
  const verdict = verifier.finish();
  if (!verdict.ok) {
    const { code, number } = verdict.error;
    throw new OperatingError(code, `row ${number}: ${errorCodes[code].sentence}`);
  }
  const head = verdict.value;
  if (file !== undefined && head !== null) await keepWitness(file, [...witnesses, head]);
  print.answer({ auditOk: true, head, witnesses: witnesses.length }, () =>
    head === null
      ? 'the chain is empty'
      : `${head.size} rows are as they were written, head ${head.hash}; ${witnesses.length} witnesses agree`,
  );
}

async function readWitness(file: string): Promise<readonly AuditHead[]> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return [];
    throw new OperatingError('disk-failed', `${file} cannot be read`, { cause });
  }
  const witness = decodeWitness(bytes);
  if (witness.ok) return witness.value.heads;
  const { code, pointer, message } = witness.error;
  throw new OperatingError(code, `${file} ${pointer} ${message}`);
}

/** The oldest heads leave first: a newer one covers every row that they cover. */
async function keepWitness(file: string, heads: readonly AuditHead[]): Promise<void> {
  const known = new Map(heads.map((head) => [`${head.size} ${head.hash}`, head]));
  const kept = [...known.values()].slice(-headsKeptMax);
  await writeFile(`${file}.new`, `${JSON.stringify({ heads: kept }, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}
