import { utf8 } from '../../shared/core/bytes.ts';
import { invariant } from '../../shared/core/invariant.ts';
import { type KeyStore, type OnlineRole, onlineRoles } from '../../shared/ports/key-store.ts';
import type { Signer } from '../../shared/ports/signer.ts';
import { createSoftwareSigner } from '../../shared/trust/ed25519.ts';
import { sha256 } from '../../shared/trust/hash.ts';

/** The online keys of a simulated server: the same label gives the same keys. */
export class SeededKeys implements KeyStore {
  readonly #signers: ReadonlyMap<OnlineRole, Signer>;

  constructor(label: string) {
    this.#signers = new Map(onlineRoles.map((role) => [role, seededSigner(`${label}/${role}`)]));
  }

  signer(role: OnlineRole): Signer {
    const signer = this.#signers.get(role);
    invariant(signer !== undefined, `no seeded key ${role}`);
    return signer;
  }
}

/** A key that follows from a label; offline shares of a simulated operator are made with it too. */
export const seededSigner = (label: string): Signer =>
  createSoftwareSigner(sha256(utf8(`seeded key ${label}`)));
