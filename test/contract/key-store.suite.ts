import { describe, expect, test } from 'vitest';
import { utf8 } from '../../shared/core/bytes.ts';
import { type KeyStore, onlineRoles } from '../../shared/ports/key-store.ts';
import { keyIdOf, verifyEd25519 } from '../../shared/trust/ed25519.ts';

export interface KeyStoreUnderTest {
  readonly keys: KeyStore;
  /** The same keys, opened again. */
  readonly reopen: () => Promise<KeyStore>;
  readonly dispose: () => Promise<void>;
}

/** What every KeyStore promises. */
export function keyStoreSuite(name: string, open: () => Promise<KeyStoreUnderTest>): void {
  describe(`KeyStore: ${name}`, () => {
    test('when a role signs, its public key verifies and no other role’s does', async () => {
      const { keys, dispose } = await open();
      const message = utf8('signed by one role');
      for (const role of onlineRoles) {
        const signature = await keys.signer(role).sign(message);
        for (const other of onlineRoles) {
          const { publicKey } = keys.signer(other);
          expect(verifyEd25519(publicKey, message, signature), other).toBe(other === role);
        }
      }
      await dispose();
    });

    test('when all roles are asked, each has a key of its own, named by its content', async () => {
      const { keys, dispose } = await open();
      const ids = onlineRoles.map((role) => keys.signer(role).keyId);
      expect(new Set(ids).size).toBe(onlineRoles.length);
      expect(onlineRoles.map((role) => keyIdOf(keys.signer(role).publicKey))).toEqual(ids);
      await dispose();
    });

    test('when the store is opened again, the keys are the same', async () => {
      const { keys, reopen, dispose } = await open();
      const again = await reopen();
      for (const role of onlineRoles) {
        expect(again.signer(role).keyId).toBe(keys.signer(role).keyId);
      }
      await dispose();
    });
  });
}
