import type { DeviceId } from '../../shared/core/ids.ts';
import { unreachable } from '../../shared/core/invariant.ts';
import type { LinkFaults, Way } from '../world/link-faults.ts';
import type { FaultKind, PlannedFault } from './fault-plan.ts';

/** Where faults strike. What waits runs the world meanwhile. */
export interface FaultTargets {
  readonly devices: readonly DeviceId[];
  readonly broker: {
    setFaults(faults: LinkFaults, link: string): void;
    partition(link: string, ways?: readonly Way[]): void;
    heal(link: string): void;
    cut(link: string): void;
    stop(): void;
    resume(): void;
  };
  isOriginCut: boolean;
  /** The power of a device goes in one of its next writes, or soon without one. */
  losePower(device: DeviceId, writesLater: number): Promise<void>;
  boot(device: DeviceId): Promise<void>;
}

export interface FaultStep {
  readonly atMs: number;
  readonly fault: PlannedFault;
  readonly isEnd: boolean;
}

/** Beginnings and ends, in the order in which they happen. */
export function stepsOf(faults: readonly PlannedFault[]): readonly FaultStep[] {
  const steps = faults.flatMap((fault): FaultStep[] => [
    { atMs: fault.atMs, fault, isEnd: false },
    { atMs: fault.atMs + fault.forMs, fault, isEnd: true },
  ]);
  return steps.sort((a, b) => a.atMs - b.atMs || Number(a.isEnd) - Number(b.isEnd));
}

/**
 * Performs a plan. Faults of one kind may meet on one device: the last to end mends it, so that a plan with one fault
 * less is still a plan.
 */
export class FaultPlay {
  readonly counts = new Map<FaultKind, number>();
  readonly #targets: FaultTargets;
  /** How many faults hold a thing broken. */
  readonly #broken = new Map<string, number>();

  constructor(targets: FaultTargets) {
    this.#targets = targets;
  }

  async perform({ fault, isEnd }: FaultStep): Promise<void> {
    const { device: place, kind } = fault;
    const device = place === null ? undefined : this.#targets.devices[place];
    if (!isEnd) this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    if (device === undefined) await this.#strikeAll(fault, isEnd);
    else await this.#strike(fault, device, isEnd);
  }

  async #strike({ kind, chance }: PlannedFault, device: DeviceId, isEnd: boolean): Promise<void> {
    const { broker } = this.#targets;
    switch (kind) {
      case 'partition':
      case 'one-way-partition': {
        const oneWay: readonly Way[] = chance % 2 === 0 ? ['up'] : ['down'];
        const ways: readonly Way[] = kind === 'partition' ? ['up', 'down'] : oneWay;
        if (!isEnd) broker.partition(device, ways);
        if (this.#isMended(`link ${device}`, isEnd)) broker.heal(device);
        return;
      }
      case 'connection-reset':
        if (!isEnd) broker.cut(device);
        return;
      case 'power-cut':
        if (!isEnd) await this.#targets.losePower(device, 1 + (chance % 24));
        else await this.#targets.boot(device);
        return;
      case 'broker-restart':
      case 'origin-outage':
        return;
      default:
        unreachable(kind);
    }
  }

  async #strikeAll({ kind }: PlannedFault, isEnd: boolean): Promise<void> {
    const { broker } = this.#targets;
    if (kind === 'broker-restart') {
      if (isEnd) broker.resume();
      else broker.stop();
    }
    if (kind === 'origin-outage') this.#targets.isOriginCut = !isEnd;
  }

  #isMended(thing: string, isEnd: boolean): boolean {
    const left = (this.#broken.get(thing) ?? 0) + (isEnd ? -1 : 1);
    this.#broken.set(thing, left);
    return left === 0;
  }
}
