import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { limits } from '../../shared/contracts/limits.ts';
import { HttpProblem } from './problem-answer.ts';

/** Counts refused logins of an address; throws `rate-limited` when there are too many. */
export interface FailureLimit {
  count(request: FastifyRequest): Promise<void>;
}

const minuteMs = 60_000;

/** One budget per principal, and one per address where nobody is known yet. */
export async function useRateLimit(app: FastifyInstance): Promise<FailureLimit> {
  await app.register(rateLimit, {
    global: true,
    hook: 'preHandler',
    timeWindow: minuteMs,
    cache: limits.rateLimitKeysMax,
    enableDraftSpec: true,
    keyGenerator: nameOf,
    max: (request) =>
      request.principal === null ? limits.deviceRequestsPerMinute : limits.requestsPerMinute,
    errorResponseBuilder: (_request, { ttl }) => tooMany(ttl),
  });
  const check = app.createRateLimit({
    max: limits.authFailuresPerMinute,
    timeWindow: minuteMs,
    keyGenerator: (request) => `refused ${request.ip}`,
  });
  return {
    count: async (request) => {
      const answer = await check(request);
      if (!answer.isAllowed && answer.isExceeded) throw tooMany(answer.ttl);
    },
  };
}

function nameOf({ principal, ip }: FastifyRequest): string {
  if (principal === null) return `address ${ip}`;
  return principal.kind === 'person'
    ? `person ${principal.name}`
    : `device ${principal.address.fleet}/${principal.address.device}`;
}

function tooMany(ttlMs: number): HttpProblem {
  const seconds = Math.max(1, Math.ceil(ttlMs / 1000));
  return new HttpProblem('rate-limited', {
    detail: `try again in ${seconds} s`,
    headers: { 'retry-after': String(seconds) },
  });
}
