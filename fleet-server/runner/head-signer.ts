import { textOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import { invariant } from '../../shared/core/invariant.ts';
import type { Signer } from '../../shared/ports/signer.ts';
import { signEnvelope } from '../../shared/trust/dsse.ts';
import { auditHeadOf } from '../core/audit/audit-chain.ts';
import type { AuditRow } from '../core/model/audit-row.ts';

/** Signs heads of the audit chain, each once: thousands of orders may go out between two rows. */
export class HeadSigner {
  readonly #signer: Signer;
  #newest: { readonly hash: string; readonly text: Promise<string> } | undefined;

  constructor(signer: Signer) {
    this.#signer = signer;
  }

  get publicKey(): Uint8Array {
    return this.#signer.publicKey;
  }

  /** The chain up to this row as an envelope's text; undefined while the chain is empty. */
  async sign(last: AuditRow | null): Promise<string | undefined> {
    if (last === null) return undefined;
    // The hash covers the number and, through the row before, everything below it.
    if (this.#newest?.hash !== last.hash) {
      this.#newest = { hash: last.hash, text: this.#signed(last) };
    }
    const { text } = this.#newest;
    try {
      return await text;
    } catch (error) {
      // Whoever asks next tries again.
      if (this.#newest.text === text) this.#newest = undefined;
      throw error;
    }
  }

  async #signed(last: AuditRow): Promise<string> {
    const payload = utf8(canonicalJson({ ...auditHeadOf(last) }));
    const text = textOf(await signEnvelope('auditHead', payload, [this.#signer]));
    invariant(text !== undefined, 'an envelope is text');
    return text;
  }
}
