import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceAddress, DownKind } from '../../../shared/contracts/topics.ts';
import { downKinds } from '../../../shared/contracts/topics.ts';

/**
 * Retained messages by device: a subscription finds its own in one step. The store inside aedes walks over
 * every retained message for each wildcard subscription, which makes a reconnect storm quadratic.
 */
export class RetainedMessages {
  readonly #byDevice = new Map<string, Map<DownKind, Uint8Array>>();

  /** Empty bytes forget (MQTT-3.3.1-10). When full, the device longest without a new message is forgotten. */
  put(address: DeviceAddress, kind: DownKind, bytes: Uint8Array): void {
    const key = addressKey(address);
    const kept = this.#byDevice.get(key) ?? new Map<DownKind, Uint8Array>();
    this.#byDevice.delete(key);
    if (bytes.length === 0) kept.delete(kind);
    else kept.set(kind, bytes);
    if (kept.size === 0) return;
    this.#byDevice.set(key, kept);
    if (this.#byDevice.size > limits.retainedDevicesMax) {
      const [oldest] = this.#byDevice.keys();
      if (oldest !== undefined) this.#byDevice.delete(oldest);
    }
  }

  /** In the order of the kinds, so that a connect always replays the same. */
  of(address: DeviceAddress): readonly (readonly [DownKind, Uint8Array])[] {
    const kept = this.#byDevice.get(addressKey(address));
    if (kept === undefined) return [];
    return downKinds.flatMap((kind) => {
      const bytes = kept.get(kind);
      return bytes === undefined ? [] : [[kind, bytes] as const];
    });
  }

  forget(address: DeviceAddress): void {
    this.#byDevice.delete(addressKey(address));
  }
}

/** A device name is unique in its fleet only; neither part can hold a slash. */
export const addressKey = ({ fleet, device }: DeviceAddress): string => `${fleet}/${device}`;
