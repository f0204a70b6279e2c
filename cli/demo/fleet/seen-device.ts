import type { DeviceId, Digest } from '../../../shared/core/ids.ts';

/** What one device did with one bundle, as seen beside it. Instants as `instantMs` gives them. */
export interface Sighting {
  /** The device accepted an order that names the digest. */
  orderedAtMs: number | undefined;
  /** First live answer. */
  answeredAtMs: number | undefined;
  /** The device's own verdict against it, and its words. */
  verdictAtMs: number | undefined;
  reason: string | undefined;
  /** From that verdict to the first answer of the model that took over, by the device's own clock. */
  revertMs: number | undefined;
}

/** Another model began to answer live inputs. */
export interface Handover {
  readonly from: Digest;
  readonly to: Digest;
  readonly atMs: number;
}

/** Milliseconds since 1970, finer than a millisecond and the same in every thread of this machine. */
export const instantMs = (): number => performance.timeOrigin + performance.now();

/** One device of the play as somebody beside it sees it: in another thread, or in a process of its own. */
export class SeenDevice {
  readonly id: DeviceId;
  readonly sightings = new Map<Digest, Sighting>();
  readonly handovers: Handover[] = [];
  /** What answers live input now. */
  running: Digest | undefined;
  #lastAnswered: Digest | undefined;

  constructor(id: DeviceId) {
    this.id = id;
  }

  /** What is known of a digest here; a blank one from its first mention on. */
  sighting(digest: Digest): Sighting {
    const known = this.sightings.get(digest);
    if (known !== undefined) return known;
    const fresh: Sighting = {
      orderedAtMs: undefined,
      answeredAtMs: undefined,
      verdictAtMs: undefined,
      reason: undefined,
      revertMs: undefined,
    };
    this.sightings.set(digest, fresh);
    return fresh;
  }

  /** A live answer; true when it was the first after another model's, or the first at all. */
  answered(digest: Digest, atMs: number): boolean {
    const from = this.#lastAnswered;
    if (from === digest) return false;
    if (from !== undefined) this.handovers.push({ from, to: digest, atMs });
    this.#lastAnswered = digest;
    this.sighting(digest).answeredAtMs ??= atMs;
    return true;
  }
}

/** What changed on one device since the last news; a thread tells it to another. */
export interface DeviceNews {
  /** Its place among the devices of the thread. */
  readonly at: number;
  readonly running: Digest | undefined;
  readonly sightings: readonly (readonly [Digest, Sighting])[];
  readonly handovers: readonly Handover[];
}

export const newsOf = (at: number, device: SeenDevice): DeviceNews => ({
  at,
  running: device.running,
  sightings: [...device.sightings],
  handovers: device.handovers,
});

/** Brings the picture of a device up to its newest news. */
export function learn(device: SeenDevice, news: DeviceNews): void {
  device.running = news.running;
  for (const [digest, sighting] of news.sightings) device.sightings.set(digest, sighting);
  device.handovers.splice(0, Infinity, ...news.handovers);
}
