import type { FastifyRequest } from 'fastify';
import { HttpProblem } from './problem-answer.ts';

export const tagOf = (version: number | string): string => `"${version}"`;

/**
 * What the caller saw, from a required `If-Match` (RFC 9110, 13.1.1): one strong tag. `*` and lists are refused,
 * because
 * they would let two people act on what only one of them has read.
 */
export function seenVersion(request: FastifyRequest): string {
  const header = request.headers['if-match'];
  if (header === undefined) throw new HttpProblem('precondition-required');
  const match = /^"([0-9a-f]{1,64})"$/.exec(header);
  if (match?.[1] === undefined) {
    throw new HttpProblem('precondition-failed', { detail: 'If-Match takes one strong tag' });
  }
  return match[1];
}

/** The number in a tag of something that counts its versions; a tag of another form matches none of them. */
export const seenNumber = (request: FastifyRequest): number => {
  const seen = seenVersion(request);
  return /^[0-9]{1,15}$/.test(seen) ? Number(seen) : -1;
};
