import { sql } from 'kysely';
import type { AccessToken, Claim } from '../../../core/model/access.ts';
import type {
  ChallengeRepository,
  ClaimRepository,
  IdempotencyRepository,
  SessionRepository,
  TokenRepository,
} from '../../../ports/repositories/access-repositories.ts';
import { RowShape } from '../row-shape.ts';
import type { Queries } from '../schema.ts';

const claimShape = new RowShape<Claim, 'tags', 'preAuthorized'>({
  json: ['tags'],
  flags: ['preAuthorized'],
});
const tokenShape = new RowShape<AccessToken, 'fleets'>({ json: ['fleets'] });

export function sqlClaims(queries: Queries): ClaimRepository {
  return {
    find: async (fleet, claimHash) =>
      claimShape.toNounOrNull(
        await queries
          .selectFrom('claims')
          .selectAll()
          .where('fleet', '=', fleet)
          .where('claimHash', '=', claimHash)
          .executeTakeFirst(),
      ),

    list: async (fleet) =>
      claimShape.toNouns(
        await queries
          .selectFrom('claims')
          .selectAll()
          .where('fleet', '=', fleet)
          .orderBy('createdAtMs')
          .orderBy('claimHash')
          .execute(),
      ),

    insert: async (claim) => {
      await queries.insertInto('claims').values(claimShape.toRow(claim)).execute();
    },

    consume: async (fleet, claimHash, nowMs) => {
      const result = await queries
        .updateTable('claims')
        .set({ usesLeft: sql<number>`${sql.ref('usesLeft')} - 1` })
        .where('fleet', '=', fleet)
        .where('claimHash', '=', claimHash)
        .where('usesLeft', '>', 0)
        .where('expiresAtMs', '>', nowMs)
        .executeTakeFirst();
      return result.numUpdatedRows > 0n;
    },

    remove: async (fleet, claimHash) => {
      const result = await queries
        .deleteFrom('claims')
        .where('fleet', '=', fleet)
        .where('claimHash', '=', claimHash)
        .executeTakeFirst();
      return result.numDeletedRows > 0n;
    },
  };
}

export function sqlChallenges(queries: Queries): ChallengeRepository {
  return {
    insert: async (challenge) => {
      await queries.insertInto('challenges').values(challenge).execute();
    },

    consume: async ({ fleet, device, nonce }, nowMs) => {
      const taken = await queries
        .deleteFrom('challenges')
        .where('fleet', '=', fleet)
        .where('device', '=', device)
        .where('nonce', '=', nonce)
        .returning('expiresAtMs')
        .executeTakeFirst();
      return taken !== undefined && taken.expiresAtMs > nowMs;
    },

    count: async (fleet, device) => {
      const row = await queries
        .selectFrom('challenges')
        .where('fleet', '=', fleet)
        .where('device', '=', device)
        .select(sql<number>`count(*)`.as('count'))
        .executeTakeFirstOrThrow();
      return row.count;
    },

    removeExpired: async (fleet, nowMs) => {
      const result = await queries
        .deleteFrom('challenges')
        .where('fleet', '=', fleet)
        .where('expiresAtMs', '<=', nowMs)
        .executeTakeFirst();
      return Number(result.numDeletedRows);
    },
  };
}

export function sqlSessions(queries: Queries): SessionRepository {
  return {
    insert: async (session) => {
      await queries.insertInto('sessions').values(session).execute();
    },

    listOf: (fleet, device) =>
      queries
        .selectFrom('sessions')
        .selectAll()
        .where('fleet', '=', fleet)
        .where('device', '=', device)
        .orderBy('jti')
        .execute(),

    removeOf: async (fleet, device) => {
      const result = await queries
        .deleteFrom('sessions')
        .where('fleet', '=', fleet)
        .where('device', '=', device)
        .executeTakeFirst();
      return Number(result.numDeletedRows);
    },

    removeExpired: async (fleet, nowMs) => {
      const result = await queries
        .deleteFrom('sessions')
        .where('fleet', '=', fleet)
        .where('expiresAtMs', '<=', nowMs)
        .executeTakeFirst();
      return Number(result.numDeletedRows);
    },
  };
}

export function sqlTokens(queries: Queries): TokenRepository {
  return {
    find: async (tokenHash) =>
      tokenShape.toNounOrNull(
        await queries
          .selectFrom('tokens')
          .selectAll()
          .where('tokenHash', '=', tokenHash)
          .executeTakeFirst(),
      ),

    list: async () =>
      tokenShape.toNouns(await queries.selectFrom('tokens').selectAll().orderBy('name').execute()),

    insert: async (token) => {
      await queries.insertInto('tokens').values(tokenShape.toRow(token)).execute();
    },

    revoke: async (name, atMs) => {
      const result = await queries
        .updateTable('tokens')
        .set({ revokedAtMs: atMs })
        .where('name', '=', name)
        .where('revokedAtMs', 'is', null)
        .executeTakeFirst();
      return result.numUpdatedRows > 0n;
    },
  };
}

export function sqlIdempotency(queries: Queries): IdempotencyRepository {
  return {
    find: async ({ principal, method, route, key }) =>
      (await queries
        .selectFrom('idempotencyKeys')
        .selectAll()
        .where('principal', '=', principal)
        .where('method', '=', method)
        .where('route', '=', route)
        .where('key', '=', key)
        .executeTakeFirst()) ?? null,

    insert: async (answer) => {
      await queries.insertInto('idempotencyKeys').values(answer).execute();
    },

    removeOlder: async (beforeMs) => {
      const result = await queries
        .deleteFrom('idempotencyKeys')
        .where('createdAtMs', '<', beforeMs)
        .executeTakeFirst();
      return Number(result.numDeletedRows);
    },
  };
}
