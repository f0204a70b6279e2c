import type { BootId } from '../../../shared/core/ids.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { KeyStore } from '../../../shared/ports/key-store.ts';
import type { Log } from '../../../shared/ports/log.ts';
import type { Random } from '../../../shared/ports/random.ts';
import type { Aggregator } from '../../ports/aggregator.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import type { Broker } from '../../ports/broker.ts';
import type { CandidateBuilder } from '../../ports/candidate-builder.ts';
import type { Store } from '../../ports/store.ts';
import type { ImageRepository } from '../image-repository.ts';
import type { RolloutDesk } from '../rollout/rollout-desk.ts';
import { createCandidateRoads } from './candidate-roads.ts';
import { CandidateShop } from './candidate-shop.ts';
import { RoundDesk } from './round-desk.ts';
import { RoundOrders } from './round-orders.ts';
import { UpdateIntake } from './update-intake.ts';

/** What rounds need beyond a fleet server's own ports. */
export interface FederationPorts {
  readonly blobs: BlobStore;
  readonly aggregator: Aggregator;
  readonly builder: CandidateBuilder;
  readonly repository: Pick<
    ImageRepository,
    'publishCandidate' | 'signedReleases' | 'federatedReleases' | 'putBlob'
  >;
}

/** The rooms of federated rounds, put together. */
export interface Federation {
  readonly desk: RoundDesk;
  readonly updates: UpdateIntake;
  readonly shelf: Pick<ImageRepository, 'putBlob'>;
}

/** What the fleet server lends to its rounds. */
interface FederationWorld extends FederationPorts {
  readonly store: Store;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly random: Random;
  readonly keys: KeyStore;
  readonly log: Log;
  readonly boot: BootId;
  readonly rollouts: RolloutDesk;
  /** A rollout may have started. */
  readonly wake: () => void;
}

export function createFederation(world: FederationWorld): Federation {
  const { store, broker, clock, random, keys, log, boot, rollouts, wake } = world;
  const { blobs, aggregator, builder, repository } = world;
  const updates = new UpdateIntake({
    ...{ store, blobs, clock, aggregator },
    wake: () => desk.wake(),
  });
  const director = keys.signer('director');
  const orders = new RoundOrders({ store, clock, random, broker, director, boot });
  const roads = createCandidateRoads({ store, repository, rollouts, wake });
  const shop = new CandidateShop({ blobs, clock, log, builder, publisher: repository, roads });
  const desk: RoundDesk = new RoundDesk({ store, clock, random, log, orders, updates, shop });
  return { desk, updates, shelf: repository };
}
