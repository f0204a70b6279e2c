import { createDecoder } from '../../shared/codec/validator.ts';
import { DesiredStateSchema } from '../../shared/contracts/desired.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { DownKind } from '../../shared/contracts/topics.ts';
import { verifyEnvelope } from '../../shared/trust/dsse.ts';
import { acceptDesired, type DeviceIdentity } from '../core/update/accept-desired.ts';
import type { AgentMemory } from './agent-memory.ts';
import type { Participant } from './federation/participant.ts';
import type { TrustedCatalogue } from './trusted-catalogue.ts';
import type { UpdateRunner } from './update-runner.ts';

export interface OrderDeskOptions {
  readonly memory: AgentMemory;
  readonly catalogue: TrustedCatalogue;
  readonly updates: UpdateRunner;
  /** Absent where no rounds are known. */
  readonly rounds?: Pick<Participant, 'receive'>;
  readonly identity: () => DeviceIdentity | undefined;
}

const decodeDesired = createDecoder(DesiredStateSchema, limits.frameBytesMax);

/**
 * Orders of the director: signature by a key that offline keys vouch for, then form, then whether
 * it is new and for us.
 */
export class OrderDesk {
  readonly #options: OrderDeskOptions;

  constructor(options: OrderDeskOptions) {
    this.#options = options;
  }

  /** The code of a refusal; `undefined` for what had an effect and for what was heard before. */
  async receive(kind: DownKind, envelope: Uint8Array): Promise<string | undefined> {
    const code = await this.#codeOf(kind, envelope);
    return code === 'desired-repeated' ? undefined : code;
  }

  async #codeOf(kind: DownKind, envelope: Uint8Array): Promise<string | undefined> {
    switch (kind) {
      case 'desired':
        return this.#take(envelope);
      case 'round':
        // Only handed over: a training takes seconds, and orders behind it must not wait.
        return this.#options.rounds === undefined
          ? 'kind-not-expected'
          : this.#options.rounds.receive(envelope);
      case 'ack':
      case 'command':
        return 'kind-not-expected';
    }
  }

  /** The code of a refusal, or `undefined` when the order is in the journal. */
  async #take(envelope: Uint8Array): Promise<string | undefined> {
    const { catalogue, memory, updates } = this.#options;
    const identity = this.#options.identity();
    const director = await catalogue.directorKeys();
    if (identity === undefined || director === undefined) return 'no-director-known';
    const payload = verifyEnvelope('desired', director.keys, envelope);
    if (!payload.ok) return payload.error.code;
    const desired = decodeDesired(payload.value);
    if (!desired.ok) return desired.error.code;
    // A version nobody vouched for would outrank every honest order after it.
    if (desired.value.directorVersion > director.version) return 'director-version-unknown';
    const accepted = acceptDesired(desired.value, identity, updates.state.seen);
    if (!accepted.ok) return accepted.error;
    await updates.record(accepted.value);
    if (desired.value.auditHead !== undefined) await memory.keepAuditHead(desired.value.auditHead);
    return undefined;
  }
}
