import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import { type RoundOrder, roundUploadPath } from '../../../shared/contracts/federation.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { DeviceIdentity } from '../update/accept-desired.ts';
import { type LedgerEntry, roundsSince, type TrainingLedger } from './training-ledger.ts';

export interface RoundScene {
  readonly identity: DeviceIdentity;
  /** Undefined until this boot has heard a signed time: without it nothing new is started. */
  readonly trustedNowMs: number | undefined;
  /** Digest that answers for the order's app now. */
  readonly running: Digest | undefined;
  /** Of the running bundle. */
  readonly training: BundleConfig['training'];
  readonly samples: number;
  readonly ledger: TrainingLedger;
  /** The owner's ceilings; no message raises them. */
  readonly roundsPerDay: number;
  readonly roundTriesMax: number;
}

export type RoundRefusal =
  | 'round-for-another'
  | 'round-expired'
  | 'round-repeated'
  | 'round-bundle-not-running'
  | 'not-federable'
  | 'below-round-floor'
  | 'too-few-examples'
  | 'round-budget-spent';

/** `known`: this round was begun before; with a stored report it only has to be told again. */
export interface AcceptedRound {
  readonly training: NonNullable<BundleConfig['training']>;
  readonly known: LedgerEntry | undefined;
}

const dayMs = 86_400_000;

/**
 * Judges an order whose director signature was verified, against what offline keys signed into the bundle and what this
 * device did before. A stolen director can ask for less than the floors; the device then does nothing.
 */
export function acceptRound(
  order: RoundOrder,
  scene: RoundScene,
): Result<AcceptedRound, RoundRefusal> {
  const { identity, trustedNowMs, training, ledger } = scene;
  const isForUs =
    order.fleet === identity.fleet &&
    order.device === identity.device &&
    order.deviceKey === identity.deviceKey &&
    order.epoch === identity.epoch;
  if (!isForUs || order.uploadPath !== roundUploadPath(order.round)) {
    return err('round-for-another');
  }
  if (trustedNowMs === undefined || trustedNowMs >= order.expiresAtMs) return err('round-expired');
  const known = ledger.find((entry) => entry.round === order.round);
  if (known !== undefined && known.report === undefined && known.tries >= scene.roundTriesMax) {
    return err('round-repeated');
  }
  if (scene.running !== order.bundle.digest) return err('round-bundle-not-running');
  if (training === undefined) return err('not-federable');
  const { floors } = training;
  if (order.task.goalDevices < floors.devices || order.task.epochs > floors.epochsMax) {
    return err('below-round-floor');
  }
  if (scene.samples < Math.max(1, floors.samples)) return err('too-few-examples');
  const spent = roundsSince(ledger, trustedNowMs - dayMs);
  if (known === undefined && spent >= scene.roundsPerDay) return err('round-budget-spent');
  return ok({ training, known });
}
