import { join } from 'node:path';
import { createDecoder } from '../../shared/codec/validator.ts';
import { AuditWitnessSchema, type KeptHead } from '../../shared/contracts/api/audit.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { jsonBytes, readOptional, type Workspace, writeDurably } from '../keys/workspace.ts';

const decodeWitness = createDecoder(AuditWitnessSchema, 1024 * 1024);
const headsKeptMax = 1024;

/** What this operator's machine remembers of one server, by the URL it is asked at. */
export const rememberedHeadsPath = ({ folder }: Workspace, server: string): string =>
  join(folder, 'audit', `${encodeURIComponent(server.replace(/\/$/, ''))}.json`);

/** Heads of a witness file; none when it is not there yet. Throws when it cannot be read or is something else. */
export async function readWitness(file: string): Promise<readonly KeptHead[]> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readOptional(file);
  } catch (cause) {
    throw new OperatingError('disk-failed', `${file} cannot be read`, { cause });
  }
  if (bytes === undefined) return [];
  const witness = decodeWitness(bytes);
  if (witness.ok) return witness.value.heads;
  const { code, pointer, message } = witness.error;
  throw new OperatingError(code, `${file} ${pointer} ${message}`);
}

/** The oldest heads leave first: a newer one covers every row that they cover. */
export async function keepWitness(file: string, heads: readonly KeptHead[]): Promise<void> {
  const known = new Map(heads.map((head) => [`${head.size} ${head.hash}`, head]));
  const kept = [...known.values()].sort((a, b) => a.size - b.size).slice(-headsKeptMax);
  try {
    await writeDurably(file, jsonBytes({ heads: kept }), { mode: 0o600 });
  } catch (cause) {
    throw new OperatingError('disk-failed', `${file} cannot be written`, { cause });
  }
}
