import type { Ack, Window } from '../../shared/contracts/window.ts';
import type { DeviceId, FleetId } from '../../shared/core/ids.ts';
import type { OpenPlace } from '../core/model/rollout.ts';
import type { StoredWindow, WindowMark } from '../core/model/telemetry.ts';
import {
  addToCohorts,
  type CountedWindows,
  countWindows,
} from '../core/telemetry/count-windows.ts';
import { placeWindow } from '../core/telemetry/window-mark.ts';
import type { StoreTx } from '../ports/store.ts';

/** A window whose sender was authenticated and whose body was validated. */
export interface ReceivedWindow {
  readonly fleet: FleetId;
  readonly device: DeviceId;
  readonly window: Window;
  /** The bytes the device sealed, which `window` was parsed from. */
  readonly sealed: Uint8Array;
  readonly receivedAtMs: number;
}

export interface WindowAck {
  readonly fleet: FleetId;
  readonly device: DeviceId;
  readonly ack: Ack;
}

export interface CommitOutcome {
  /** One per outbox, whatever the number of its windows. */
  readonly acks: readonly WindowAck[];
  readonly counted: number;
  readonly refused: number;
  /** Some count for an open rollout. */
  readonly isEvidence: boolean;
}

/**
 * Which open rollouts these devices' telemetry counts for. Exposed devices stand in the store; who is held back as
 * control is a predicate over cells that the rollouts' runner knows.
 */
export type FindPlaces = (
  tx: StoreTx,
  fleet: FleetId,
  devices: readonly DeviceId[],
) => Promise<readonly OpenPlace[]>;

/** Places of exposed devices alone. */
export const exposedPlaces: FindPlaces = (tx, fleet, devices) =>
  tx.offers.listPlaces(fleet, devices);

/** Stores and counts one batch; the acks may go out when the transaction is on disk. */
export async function commitWindows(
  tx: StoreTx,
  batch: readonly ReceivedWindow[],
  places: FindPlaces = exposedPlaces,
): Promise<CommitOutcome> {
  const acks: WindowAck[] = [];
  let counted = 0;
  let refused = 0;
  let isEvidence = false;
  for (const fleet of [...new Set(batch.map((received) => received.fleet))].sort()) {
    const ofFleet = batch.filter((received) => received.fleet === fleet);
    const outcome = await commitFleet(tx, { fleet, batch: ofFleet, places });
    acks.push(...outcome.acks);
    counted += outcome.counted;
    refused += outcome.refused;
    isEvidence ||= outcome.isEvidence;
  }
  return { acks, counted, refused, isEvidence };
}

async function commitFleet(
  tx: StoreTx,
  part: { fleet: FleetId; batch: readonly ReceivedWindow[]; places: FindPlaces },
): Promise<CommitOutcome> {
  const { fleet, batch, places } = part;
  const outboxes = batch.map(({ device, window }) => ({ device, outbox: window.outbox }));
  const [known, latestId] = await Promise.all([
    tx.windows.marks(fleet, outboxes),
    tx.windows.latestId(),
  ]);
  const { fresh, stored, marks, refused } = placeBatch(batch, known, latestId);
  const devices = [...new Set(fresh.map(({ device }) => device))].sort();
  const changed = [...marks.values()].filter(({ isChanged }) => isChanged);
  const [found] = await Promise.all([
    places(tx, fleet, devices),
    tx.windows.insertMany(fleet, stored),
    tx.windows.putMarks(
      fleet,
      changed.map(({ mark }) => mark),
    ),
  ]);
  await addCounts(tx, fleet, countWindows(fleet, fresh, found));
  const acks = [...marks.values()]
    .filter(({ isAnswered }) => isAnswered)
    .map(({ mark: { device, outbox, durable } }) => ({ fleet, device, ack: { outbox, durable } }));
  return { acks, counted: fresh.length, refused, isEvidence: found.length > 0 };
}

async function addCounts(tx: StoreTx, fleet: FleetId, added: CountedWindows): Promise<void> {
  if (added.records.length === 0) return;
  const [before, newcomers] = await Promise.all([
    tx.cohortTotals.find(fleet, added.records),
    tx.cohortTotals.addDevices(fleet, added.devices),
  ]);
  await tx.cohortTotals.put(fleet, addToCohorts(before, added.records, newcomers));
}

interface Placed {
  readonly mark: WindowMark;
  readonly isChanged: boolean;
  readonly isAnswered: boolean;
}

/** Decides each window in arrival order, so that a duplicate inside the batch is one too. */
function placeBatch(
  batch: readonly ReceivedWindow[],
  known: readonly WindowMark[],
  latestId: number,
) {
  const marks = new Map<string, Placed>();
  for (const mark of known) {
    marks.set(outboxName(mark), { mark, isChanged: false, isAnswered: false });
  }
  const fresh: ReceivedWindow[] = [];
  const stored: StoredWindow[] = [];
  let refused = 0;
  for (const received of batch) {
    const { device, window, sealed, receivedAtMs } = received;
    const { outbox, first, last } = window;
    const name = outboxName({ device, outbox });
    const before = marks.get(name) ?? unseen({ device, outbox });
    const { placement, mark } = placeWindow(before.mark, window);
    if (placement === 'too-far-ahead') refused += 1;
    else if (placement === 'duplicate') marks.set(name, { ...before, isAnswered: true });
    else {
      const id = latestId + stored.length + 1;
      stored.push({ id, device, outbox, first, last, receivedAtMs, sealed });
      fresh.push(received);
      marks.set(name, { mark: { ...mark, latest: id }, isChanged: true, isAnswered: true });
    }
  }
  return { fresh, stored, marks, refused };
}

type Outbox = Pick<WindowMark, 'device' | 'outbox'>;

const outboxName = ({ device, outbox }: Outbox): string => `${device} ${outbox}`;

const unseen = ({ device, outbox }: Outbox): Placed => ({
  mark: { device, outbox, durable: 0, ahead: [], latest: 0 },
  isChanged: false,
  isAnswered: false,
});
