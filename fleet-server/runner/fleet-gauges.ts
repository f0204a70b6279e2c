import { rolloutStatusNames } from '../../shared/contracts/api/rollout.ts';
import { enrolmentStates } from '../../shared/contracts/enrolment.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import { roundPhases } from '../core/federation/round-state.ts';
import type { Store } from '../ports/store.ts';
import type { ImageRepository } from './image-repository.ts';

export interface FleetGaugesParts {
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly store: Store;
  /** The data folder. */
  readonly disk: Pick<DeviceDisk, 'freeBytes' | 'size'>;
  /** Absent while no root is published. */
  readonly repository: Pick<ImageRepository, 'expiries'> | undefined;
}

const databaseFiles = ['skein.db', 'skein.db-wal'] as const;

/**
 * What is so in the fleets now, counted when somebody asks: between two scrapes it costs nothing, and impatient
 * readers share one count. Sums over all fleets, under labels from our own lists: no series per device or fleet.
 */
export class FleetGauges {
  readonly #parts: FleetGaugesParts;
  #reading: Promise<void> | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: FleetGaugesParts) {
    this.#parts = parts;
  }

  /** Reads the gauges, unless that was done a moment ago. Rejects with what store and disk throw. */
  async read(): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    if (this.#reading === undefined && nowMs - this.#readAtMs < limits.fleetCountMs) return;
    this.#reading ??= this.#count().finally(() => {
      this.#reading = undefined;
      this.#readAtMs = nowMs;
    });
    await this.#reading;
  }

  async #count(): Promise<void> {
    await this.#countFleets();
    await this.#readExpiries();
    const { metrics, disk } = this.#parts;
    metrics.gauge('skein_disk_free_bytes', await disk.freeBytes());
    let bytes = 0;
    for (const file of databaseFiles) bytes += (await disk.size(file)) ?? 0;
    metrics.gauge('skein_database_bytes', bytes);
  }

  async #countFleets(): Promise<void> {
    const { metrics, store } = this.#parts;
    const devices = new Tally(
      enrolmentStates.flatMap((state) => [
        [state, 'online'],
        [state, 'offline'],
      ]),
    );
    const rollouts = new Tally(rolloutStatusNames.map((status) => [status]));
    const rounds = new Tally(roundPhases.map((phase) => [phase]));
    await store.read(async (view) => {
      for (const { fleet } of await view.fleets.list()) {
        for (const { state, online, count } of await view.devices.countByState(fleet)) {
          devices.add([state, online ? 'online' : 'offline'], count);
        }
        for (const row of await view.rollouts.countByStatus(fleet)) {
          rollouts.add([row.status], row.count);
        }
        for (const row of await view.rounds.countByStatus(fleet))
          rounds.add([row.status], row.count);
      }
    });
    for (const [[state = '', presence = ''], count] of devices.sums()) {
      metrics.gauge('skein_devices', count, { state, presence });
    }
    for (const [[status = ''], count] of rollouts.sums()) {
      metrics.gauge('skein_rollouts', count, { status });
    }
    for (const [[status = ''], count] of rounds.sums())
      metrics.gauge('skein_rounds', count, { status });
  }

  async #readExpiries(): Promise<void> {
    const { metrics, clock, repository } = this.#parts;
    for (const [role, expiresAtMs] of (await repository?.expiries()) ?? []) {
      const seconds = (expiresAtMs - clock.nowMs()) / 1_000;
      metrics.gauge('skein_metadata_expiry_seconds', seconds, { role });
    }
  }
}

/** Sums under known names; what nobody is in stays zero, so that a gauge goes down again. */
class Tally {
  readonly #sums = new Map<string, { readonly labels: readonly string[]; sum: number }>();

  constructor(names: readonly (readonly string[])[]) {
    for (const labels of names) this.#sums.set(labels.join(' '), { labels, sum: 0 });
  }

  add(labels: readonly string[], count: number): void {
    const entry = this.#sums.get(labels.join(' '));
    if (entry !== undefined) entry.sum += count;
  }

  sums(): readonly (readonly [readonly string[], number])[] {
    return [...this.#sums.values()].map(({ labels, sum }) => [labels, sum] as const);
  }
}
