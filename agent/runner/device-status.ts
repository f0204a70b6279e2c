import { createDecoder } from '../../shared/codec/validator.ts';
import { AgentMemorySchema } from '../../shared/contracts/agent-memory.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { Digest, TargetPath } from '../../shared/core/ids.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import { readJournal } from '../core/journal/read-journal.ts';
import { parseUpdateRecord } from '../core/update/parse-update-record.ts';
import { stepUpdate } from '../core/update/step-update.ts';
import { type AppState, initialUpdateState, sortedApps } from '../core/update/update-state.ts';
import { readEnrolment } from './enrolment-desk.ts';

/** What the device's files say, read without touching them: the agent may be running. */
export interface DeviceStatus {
  readonly device: string;
  readonly fleet: string;
  readonly origin: string;
  /** The server has let it in at least once. */
  readonly isAdmitted: boolean;
  readonly generation: number;
  readonly apps: readonly AppStatus[];
}

export interface AppStatus {
  readonly app: string;
  readonly wanted: TargetPath | undefined;
  /** Proven here; what runs unless it was judged or revoked. */
  readonly committed: TargetPath | undefined;
  readonly phase: string;
  /** Why the wanted bundle does not run: a code of the catalogue. */
  readonly reason: string | undefined;
  readonly refused: readonly { readonly digest: Digest; readonly reason: string }[];
}

const decodeMemory = createDecoder(AgentMemorySchema, limits.deviceKeyBytesMax * 4);

/** `undefined` for a folder without an enrolment. Throws what the disk throws. */
export async function readDeviceStatus(disk: DeviceDisk): Promise<DeviceStatus | undefined> {
  const enrolment = await readEnrolment(disk);
  if (enrolment === undefined) return undefined;
  const { device, fleet, origin } = enrolment.server;
  const memory = await disk.read('state/memory.json', { bytesMax: limits.supervisionBytesMax });
  const decoded = memory === undefined ? undefined : decodeMemory(memory);
  const state = await readUpdateState(disk);
  return {
    ...{ device, fleet, origin },
    isAdmitted: decoded?.ok === true && decoded.value.epoch !== undefined,
    generation: state.seen.generation,
    apps: sortedApps(state).map((app) => ({
      ...appStatus(app),
      refused: state.refusals
        .filter((refusal) => refusal.app === app.app)
        .map(({ digest, reason }) => ({ digest, reason })),
    })),
  };
}

async function readUpdateState(disk: DeviceDisk) {
  const bytes = await disk.read('state/update.journal', { bytesMax: limits.updateJournalBytesMax });
  const { values } = readJournal(bytes ?? new Uint8Array(), (value) => {
    return parseUpdateRecord(value) !== undefined;
  });
  return values.reduce<typeof initialUpdateState>((state, value) => {
    const event = parseUpdateRecord(value);
    return event === undefined ? state : stepUpdate(state, event, { monotonicMs: 0 });
  }, initialUpdateState);
}

function appStatus(app: AppState): Omit<AppStatus, 'refused'> {
  const { outcome, wanted, held, attempt } = app;
  const isRefused = outcome?.kind === 'reverted' && outcome.target.digest === wanted?.digest;
  return {
    app: app.app,
    wanted: wanted?.path,
    committed: held[0]?.path,
    phase: app.isWithdrawn ? 'no-model' : (attempt?.phase ?? outcome?.kind ?? 'idle'),
    reason: isRefused ? outcome.reason : undefined,
  };
}
