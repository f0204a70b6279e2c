import { limits } from '../../../shared/contracts/limits.ts';
import type { Json } from '../../../shared/core/canonical-json.ts';
import type { FleetId, RoundId } from '../../../shared/core/ids.ts';
import { openPhases, type RoundEvent, type RoundState } from '../../core/federation/round-state.ts';
import { stepRound } from '../../core/federation/step-round.ts';
import type { Round } from '../../core/model/round.ts';
import type { Store, StoreTx, StoreView } from '../../ports/store.ts';
import { appendAudit } from '../append-audit.ts';

/** Keeps held-out set and counted updates from the store's garbage for as long as the round may ask for them. */
export const holderOf = (round: RoundId): string => `round:${round}`;

export const roundStateOf = (row: Round): RoundState => row.reducerState as unknown as RoundState;

export async function readRound(
  view: Pick<StoreView, 'rounds'>,
  fleet: FleetId,
  round: RoundId,
): Promise<RoundState | undefined> {
  const row = await view.rounds.get(fleet, round);
  return row === null ? undefined : roundStateOf(row);
}

/** Newest first. */
export async function openRounds(store: Store, fleet: FleetId): Promise<readonly RoundState[]> {
  return (await newestRounds(store, fleet)).filter(({ phase }) => openPhases.has(phase));
}

/** The open ones, and those that ended last. */
export async function newestRounds(store: Store, fleet: FleetId): Promise<readonly RoundState[]> {
  const rows = await store.read((view) => view.rounds.list(fleet, { limit: limits.storePageMax }));
  return rows.map(roundStateOf);
}

export async function insertRound(tx: StoreTx, state: RoundState, nowMs: number): Promise<void> {
  const { fleet, round, request, author } = state.plan;
  const details = { request: request as unknown as Json };
  await appendAudit(tx, {
    ...{ fleet, atMs: nowMs, actor: author, action: 'round-created', subject: round },
    details,
  });
  await tx.blobs.hold(holderOf(round), [request.heldOut]);
  await tx.rounds.insert({
    ...{ fleet, round, app: request.app, status: state.phase, version: 1 },
    reducerState: state as unknown as Json,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  });
}

/** One event into one round: the state before and after. Nothing is written when nothing changed. */
export async function applyToRound(
  tx: StoreTx,
  address: { readonly fleet: FleetId; readonly round: RoundId },
  happened: { readonly event: RoundEvent; readonly nowMs: number; readonly actor?: string },
): Promise<{ readonly before: RoundState; readonly after: RoundState } | undefined> {
  const { fleet, round } = address;
  const { event, nowMs, actor = 'skein' } = happened;
  const row = await tx.rounds.get(fleet, round);
  if (row === null) return undefined;
  const before = roundStateOf(row);
  const { state: after } = stepRound(before, event, { nowMs });
  if (after === before) return { before, after };
  if (after.phase !== before.phase) {
    const reason = 'reason' in after ? after.reason : null;
    await appendAudit(tx, {
      ...{ fleet, atMs: nowMs, actor, action: `round-${after.phase}`, subject: round },
      details: { from: before.phase, reason },
    });
  }
  if (!openPhases.has(after.phase)) await tx.blobs.release(holderOf(round));
  const patch = { status: after.phase, reducerState: after as unknown as Json };
  await tx.rounds.update(fleet, round, { expectedVersion: row.version, patch, nowMs });
  return { before, after };
}
