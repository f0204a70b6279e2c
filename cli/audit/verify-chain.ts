import {
  type AuditFault,
  startAuditVerifier,
} from '../../fleet-server/core/audit/audit-verifier.ts';
import type { AuditRow } from '../../fleet-server/core/model/audit-row.ts';
import type {
  AuditHeadAnswer,
  AuditRowView,
  KeptHead,
  WitnessedHeadView,
} from '../../shared/contracts/api/audit.ts';
import type { AuditHead } from '../../shared/contracts/desired.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { ApiSession } from '../api/api-session.ts';
import { keepWitness, readWitness, rememberedHeadsPath } from './witness-file.ts';

/** A head, and who saw it, as a person would name them. */
interface Witness {
  readonly head: AuditHead;
  readonly who: string;
}

/**
 * Computes the whole chain again and holds it against everybody who saw it before: this machine, the devices, and the
 * files that were named. What the server says of itself now is remembered for the next time.
 */
export async function verifyChain(
  { client, print, server }: ApiSession,
  flags: { readonly home: string; readonly witness?: string },
): Promise<void> {
  const memory = rememberedHeadsPath({ folder: flags.home }, server);
  const remembered = await readWitness(memory);
  const given = flags.witness === undefined ? [] : await readWitness(flags.witness);
  // Heads before rows: the chain only grows, so it must hold what was said of it a moment ago.
  const now = (await client.ask<AuditHeadAnswer>('/audit/head')).body;
  const devices = (await client.all<WitnessedHeadView>('/audit/witnesses')).items;
  const witnesses = [
    ...remembered.map((head) => ({ head, who: `this machine (${memory})` })),
    ...given.map((head) => ({ head, who: flags.witness ?? '' })),
    ...devices.map((seen) => ({ head: seen.head, who: nameOf(seen) })),
  ];
  const head = await verify(client, [
    ...witnesses,
    ...(now.head === null ? [] : [{ head: now.head, who: 'the server itself' }]),
  ]);
  if (now.head !== null) {
    const { signedHead } = now;
    const fresh: KeptHead = { ...now.head, ...(signedHead === null ? {} : { signedHead }) };
    await keepWitness(memory, [...remembered, fresh]);
    if (flags.witness !== undefined) await keepWitness(flags.witness, [...given, fresh]);
  }
  const counts = {
    remembered: remembered.length,
    given: given.length,
    devices: devices.reduce((sum, seen) => sum + seen.devices, 0),
  };
  print.answer({ auditOk: true, head, witnesses: witnesses.length, ...counts }, () =>
    head === null
      ? 'the chain is empty'
      : `${head.size} rows are as they were written, head ${head.hash}; ${said(counts)}`,
  );
}

/** Throws the fault with the row, and with who saw something else. */
async function verify(
  client: ApiSession['client'],
  witnesses: readonly Witness[],
): Promise<AuditHead | null> {
  const verifier = startAuditVerifier(witnesses.map(({ head }) => head));
  const hashes = new Map<number, string>(witnesses.map(({ head }) => [head.size, '']));
  for await (const row of client.items<AuditRowView>('/audit')) {
    verifier.add(row as AuditRow);
    if (hashes.has(row.number)) hashes.set(row.number, row.hash);
  }
  const verdict = verifier.finish();
  if (verdict.ok) return verdict.value;
  const { code, number } = verdict.error;
  const disagreeing = witnesses.filter(({ head }) =>
    code === 'audit-cut'
      ? head.size >= number
      : head.size === number && head.hash !== hashes.get(number),
  );
  throw new OperatingError(code, sentenceOf(verdict.error, disagreeing));
}

const namedMax = 5;

function sentenceOf({ code, number }: AuditFault, witnesses: readonly Witness[]): string {
  if (code === 'audit-rewritten') return `row ${number} is not what was written`;
  const names = [...new Set(witnesses.map(({ who }) => who))];
  const more = names.length > namedMax ? ` and ${names.length - namedMax} more` : '';
  const who = `${names.slice(0, namedMax).join(', ')}${more}`;
  return code === 'audit-cut'
    ? `row ${number} is missing; it was seen by ${who}`
    : `row ${number} is not what was seen by ${who}`;
}

function nameOf({ devices, fleet, device }: WitnessedHeadView): string {
  const others = devices === 1 ? '' : ` with ${devices - 1} more`;
  return `device ${device} of ${fleet}${others}`;
}

const said = (counts: {
  readonly remembered: number;
  readonly given: number;
  readonly devices: number;
}): string =>
  `it agrees with ${counts.devices} devices, ${counts.remembered} heads remembered here, ${counts.given} given`;
