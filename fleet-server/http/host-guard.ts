import type { FastifyInstance } from 'fastify';
import { HttpProblem } from './problem-answer.ts';

/**
 * Refuses requests made under a foreign name, on loopback too: a web page can make a browser ask 127.0.0.1 under a name
 * of its own (DNS rebinding), and then read the answer.
 */
export function useHostGuard(app: FastifyInstance, hosts: readonly string[]): void {
  const known = new Set(hosts.map((host) => host.toLowerCase()));
  app.addHook('onRequest', async (request) => {
    const name = hostName(request.headers.host);
    if (name === undefined || !known.has(name)) {
      throw new HttpProblem('host-refused', { detail: `this server is not ${name ?? 'nameless'}` });
    }
  });
}

/** The name without its port; brackets of an IPv6 address are part of it. */
function hostName(header: string | undefined): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$/.exec(header ?? '');
  return match?.[1]?.toLowerCase();
}
