import { createDecoder } from '../../shared/codec/validator.ts';
import { AuditHeadSchema, DesiredStateSchema } from '../../shared/contracts/desired.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { DownKind } from '../../shared/contracts/topics.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import type { Log } from '../../shared/ports/log.ts';
import { type RoleKeys, verifyEnvelope } from '../../shared/trust/dsse.ts';
import { acceptDesired, type DeviceIdentity } from '../core/update/accept-desired.ts';
import type { AgentMemory } from './agent-memory.ts';
import type { Participant } from './federation/participant.ts';
import type { SpreadWindow } from './spread-window.ts';
import type { TrustedCatalogue } from './trusted-catalogue.ts';
import type { UpdateRunner } from './update-runner.ts';

export interface OrderDeskOptions {
  readonly log: Log;
  readonly memory: AgentMemory;
  readonly catalogue: TrustedCatalogue;
  readonly updates: UpdateRunner;
  readonly spread: Pick<SpreadWindow, 'takePlace'>;
  /** Absent where no rounds are known. */
  readonly rounds?: Pick<Participant, 'receive'>;
  readonly identity: () => DeviceIdentity | undefined;
}

const decodeDesired = createDecoder(DesiredStateSchema, limits.frameBytesMax);
const decodeHead = createDecoder(AuditHeadSchema, limits.signedHeadCharsMax);

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
    const { catalogue, updates, spread } = this.#options;
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
    // Before the state moves: the report and the fetch that follow are what would come from all devices at once.
    spread.takePlace();
    await updates.record(accepted.value);
    await this.#keepHead(director.auditKeys, desired.value.signedHead);
    return undefined;
  }

  /** An order stands whatever its head is worth: a head that nobody can check is only no witness. */
  async #keepHead(keys: RoleKeys<'audit'>, signed: string | undefined): Promise<void> {
    const { memory, log } = this.#options;
    // Orders that follow each other mostly carry the head of the one before, and verifying costs more than to compare.
    if (signed === undefined || signed === memory.signedHead) return;
    const payload = verifyEnvelope('auditHead', keys, utf8(signed));
    const head = payload.ok ? decodeHead(payload.value) : payload;
    if (head.ok) return memory.keepAuditHead(head.value, signed);
    const { code, message } = head.error;
    log.warn({ event: 'audit-head-refused', code, message }, 'the audit head is no witness');
  }
}
