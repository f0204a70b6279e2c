import { createDecoder } from '../../shared/codec/validator.ts';
import { type AuditHead, AuditHeadSchema } from '../../shared/contracts/desired.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Log } from '../../shared/ports/log.ts';
import { anyKeyOf, verifyEnvelope } from '../../shared/trust/dsse.ts';
import type { Device } from '../core/model/device.ts';
import type { StoreTx } from '../ports/store.ts';

export interface WitnessIntakeOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Raw public keys, hexadecimal: the server's own, and what `director.json` names beside it. */
  readonly auditKeys: () => readonly string[];
}

/** A head that a device returned, verified. */
export interface ReturnedHead extends AuditHead {
  readonly signedHead: string;
}

const decodeHead = createDecoder(AuditHeadSchema, limits.signedHeadCharsMax);

/**
 * Heads that devices return. Only what the audit key signed is a witness, so no device can accuse the server of a
 * history it never had. Each head is compared with the chain once after every start, because a chain is replaced while
 * the server is down.
 */
export class WitnessIntake {
  readonly #options: WitnessIntakeOptions;
  /** By its text, what was verified. Oldest first; a device can only fill it with what the audit key signed. */
  readonly #verified = new Map<string, ReturnedHead>();
  /** Texts of heads that were compared with the chain and are written down. */
  readonly #compared = new Set<string>();
  #saidMonotonicMs = Number.NEGATIVE_INFINITY;

  constructor(options: WitnessIntakeOptions) {
    this.#options = options;
  }

  /** Undefined when it is no witness; that is said at most once a minute, for a device chooses what it returns. */
  open(device: Device, signedHead: string | undefined): ReturnedHead | undefined {
    if (signedHead === undefined) return undefined;
    const known = this.#verified.get(signedHead);
    if (known !== undefined) return known;
    const keys = anyKeyOf('audit', this.#options.auditKeys());
    const payload = verifyEnvelope('auditHead', keys, utf8(signedHead));
    const head = payload.ok ? decodeHead(payload.value) : payload;
    if (!head.ok) {
      this.#refuse(device, head.error.code);
      return undefined;
    }
    const [oldest] = this.#verified.size >= limits.signedHeadsKept ? this.#verified.keys() : [];
    if (oldest !== undefined) {
      this.#verified.delete(oldest);
      this.#compared.delete(oldest);
    }
    const returned = { ...head.value, signedHead };
    this.#verified.set(signedHead, returned);
    return returned;
  }

  /** Writes it down for the device, and says so where the chain is another one by now. */
  async keep(tx: StoreTx, { fleet, device }: Device, returned: ReturnedHead): Promise<void> {
    await tx.audit.putWitness({ fleet, device, ...returned });
    if (this.#compared.has(returned.signedHead)) return;
    const { size, hash } = returned;
    const [row] = await tx.audit.listAll({ after: size - 1, limit: 1 });
    if (row?.number === size && row.hash === hash) return;
    const code = row === undefined ? 'audit-cut' : 'audit-forked';
    await tx.events.append(fleet, {
      atMs: this.#options.clock.nowMs(),
      kind: 'audit-witness-disagrees',
      subject: device,
      content: { code, size },
    });
  }

  /** The transaction in which it was kept is on disk: once per start is enough. */
  settle({ signedHead }: ReturnedHead): void {
    if (this.#verified.has(signedHead)) this.#compared.add(signedHead);
  }

  #refuse({ fleet, device }: Device, code: string): void {
    const { clock, log } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#saidMonotonicMs < limits.refusalLogMs) return;
    this.#saidMonotonicMs = nowMs;
    const fields = { event: 'audit-head-refused', code, fleet, device };
    log.warn(fields, 'a device returned an audit head that the audit key did not sign');
  }
}
