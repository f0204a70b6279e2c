import { encodeFrame } from '../../../shared/codec/frame.ts';
import { type RoundOrder, roundUploadPath } from '../../../shared/contracts/federation.ts';
import { hexOf, utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';
import type { BootId, DeviceId } from '../../../shared/core/ids.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { Random } from '../../../shared/ports/random.ts';
import type { Signer } from '../../../shared/ports/signer.ts';
import { signEnvelope } from '../../../shared/trust/dsse.ts';
import type { RoundState } from '../../core/federation/round-state.ts';
import { deadlineOf } from '../../core/federation/step-round.ts';
import type { Broker } from '../../ports/broker.ts';
import type { Store } from '../../ports/store.ts';

export interface RoundOrdersOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly broker: Pick<Broker, 'publish' | 'isConnected'>;
  readonly director: Signer;
  readonly boot: BootId;
}

/** Signs a device's part in a round and hands it to the broker. Told again at each connect until it has answered. */
export class RoundOrders {
  readonly #options: RoundOrdersOptions;
  #seq = 0;

  constructor(options: RoundOrdersOptions) {
    this.#options = options;
  }

  /** To those of `devices` that are connected; the others are told when they come. */
  async send(state: RoundState, devices: readonly DeviceId[]): Promise<void> {
    for (const device of devices) {
      const order = await this.#orderFor(state, device);
      if (order !== undefined) await this.#publish(order);
    }
  }

  async #orderFor(state: RoundState, id: DeviceId): Promise<RoundOrder | undefined> {
    const { store, clock } = this.#options;
    const { fleet, round, request } = state.plan;
    const known = await store.read(async (view) => ({
      device: await view.devices.get(fleet, id),
      contribution: await view.rounds.getContribution(fleet, round, id),
    }));
    const { device, contribution } = known;
    if (device?.state !== 'accepted' || device.epoch === null || contribution !== null) {
      return undefined;
    }
    const issuedAtMs = clock.nowMs();
    const expiresAtMs =
      state.phase === 'reporting' ? deadlineOf(state) : issuedAtMs + request.reportingMs;
    return {
      ...{ fleet, device: id, deviceKey: device.keyDigest, epoch: device.epoch, round },
      number: issuedAtMs,
      app: request.app,
      bundle: request.bundle,
      task: request.training,
      issuedAtMs,
      expiresAtMs,
      uploadPath: roundUploadPath(round),
    };
  }

  async #publish(order: RoundOrder): Promise<void> {
    const { broker, clock, random, boot, director } = this.#options;
    const address = { fleet: order.fleet, device: order.device };
    if (!broker.isConnected(address)) return;
    const payload = utf8(canonicalJson(order));
    const envelope = await signEnvelope('round', payload, [director]);
    this.#seq += 1;
    const id = hexOf(random.bytes(8));
    const header = {
      v: 1,
      id,
      ts: clock.nowMs(),
      epoch: order.epoch,
      boot,
      seq: this.#seq,
      exp: order.expiresAtMs,
    } as const;
    await broker.publish(address, { kind: 'round', bytes: encodeFrame(header, envelope) });
  }
}
