import { describe, expect, test } from 'vitest';
import type { AccessToken, Claim } from '../../fleet-server/core/model/access.ts';
import { deviceId, epochOf, harbour, plant } from '../support/store-nouns.ts';
import { type OpenStore, withStore } from './store.suite.ts';

const claim: Claim = {
  fleet: plant,
  claimHash: 'c1'.repeat(32),
  idPattern: 'line-*',
  usesLeft: 2,
  expiresAtMs: 100,
  preAuthorized: true,
  tags: { line: '4' },
  createdAtMs: 1,
  createdBy: 'ada',
};

const token: AccessToken = {
  tokenHash: 'd1'.repeat(32),
  name: 'ci',
  role: 'operator',
  fleets: [plant],
  createdAtMs: 1,
  expiresAtMs: null,
  revokedAtMs: null,
};

export function storeAccessSuite(name: string, open: OpenStore): void {
  describe(`Store, access: ${name}`, () => {
    test('when a claim is consumed, it serves as often as it says and never after its end', () =>
      withStore(open, async (store) => {
        await store.transaction(async (tx) => {
          await tx.claims.insert(claim);
          expect(await tx.claims.find(plant, claim.claimHash)).toEqual(claim);
          expect(await tx.claims.find(harbour, claim.claimHash)).toBeNull();
          expect(await tx.claims.consume(harbour, claim.claimHash, 50)).toBe(false);
          expect(await tx.claims.consume(plant, claim.claimHash, 100)).toBe(false);
          expect(await tx.claims.consume(plant, claim.claimHash, 99)).toBe(true);
          expect(await tx.claims.consume(plant, claim.claimHash, 99)).toBe(true);
          expect(await tx.claims.consume(plant, claim.claimHash, 99)).toBe(false);
          expect(await tx.claims.list(plant)).toMatchObject([{ usesLeft: 0 }]);
          expect(await tx.claims.remove(plant, claim.claimHash)).toBe(true);
          expect(await tx.claims.list(plant)).toEqual([]);
        });
      }));

    test('when a claim is used by many at once, no more get in than it says', () =>
      withStore(open, async (store) => {
        await store.transaction((tx) => tx.claims.insert(claim));
        const uses = Array.from({ length: 8 }, () =>
          store.transaction((tx) => tx.claims.consume(plant, claim.claimHash, 50)),
        );
        expect((await Promise.all(uses)).filter((isIn) => isIn)).toHaveLength(2);
      }));

    test('when a challenge is answered, it is gone, whatever the answer was worth', () =>
      withStore(open, async (store) => {
        const id = deviceId('d1');
        const nonce = 'ee'.repeat(32);
        const challenge = { fleet: plant, device: id, nonce, expiresAtMs: 100 };
        await store.transaction(async (tx) => {
          await tx.challenges.insert(challenge);
          expect(await tx.challenges.count(plant, id)).toBe(1);
          const other = { fleet: plant, device: deviceId('d2'), nonce };
          expect(await tx.challenges.consume(other, 50)).toBe(false);
          expect(await tx.challenges.consume(challenge, 50)).toBe(true);
          expect(await tx.challenges.consume(challenge, 50)).toBe(false);
          await tx.challenges.insert(challenge);
          expect(await tx.challenges.consume(challenge, 100)).toBe(false);
          await tx.challenges.insert(challenge);
          expect(await tx.challenges.removeExpired(plant, 99)).toBe(0);
          expect(await tx.challenges.removeExpired(plant, 100)).toBe(1);
        });
      }));

    test('when a device is cut off, none of its sessions is left', () =>
      withStore(open, async (store) => {
        const session = (jti: string, id = 'd1') => ({
          fleet: plant,
          device: deviceId(id),
          jti,
          epoch: epochOf('e'),
          expiresAtMs: 100,
        });
        await store.transaction(async (tx) => {
          for (const one of [session('j2'), session('j1'), session('j3', 'd2')]) {
            await tx.sessions.insert(one);
          }
          const open = await tx.sessions.listOf(plant, deviceId('d1'));
          expect(open).toEqual([session('j1'), session('j2')]);
          expect(await tx.sessions.removeOf(plant, deviceId('d1'))).toBe(2);
          expect(await tx.sessions.listOf(plant, deviceId('d1'))).toEqual([]);
          expect(await tx.sessions.removeExpired(plant, 100)).toBe(1);
        });
      }));

    test('when a token is revoked, it stays listed with the instant', () =>
      withStore(open, async (store) => {
        await store.transaction(async (tx) => {
          await tx.tokens.insert(token);
          expect(await tx.tokens.find(token.tokenHash)).toEqual(token);
          expect(await tx.tokens.find('00'.repeat(32))).toBeNull();
          expect(await tx.tokens.revoke('ci', 7)).toBe(true);
          expect(await tx.tokens.revoke('ci', 8)).toBe(false);
          expect(await tx.tokens.list()).toEqual([{ ...token, revokedAtMs: 7 }]);
        });
      }));

    test('when a write is repeated with its key, the first answer is found in its scope only', () =>
      withStore(open, async (store) => {
        const answer = {
          principal: 'ci',
          method: 'POST',
          route: '/api/v1/rollouts',
          key: 'k1',
          requestHash: 'ff'.repeat(32),
          status: 201,
          body: '{"rollout":"rol-1"}',
          createdAtMs: 10,
        };
        await store.transaction(async (tx) => {
          await tx.idempotency.insert(answer);
          expect(await tx.idempotency.find(answer)).toEqual(answer);
          expect(await tx.idempotency.find({ ...answer, principal: 'eve' })).toBeNull();
          expect(await tx.idempotency.removeOlder(10)).toBe(0);
          expect(await tx.idempotency.removeOlder(11)).toBe(1);
        });
      }));
  });
}
