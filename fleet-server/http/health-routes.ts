import { Type } from '../../shared/contracts/json-schema.ts';
import { ProblemSchema } from '../../shared/contracts/problem.ts';
import type { Access } from './access.ts';
import type { HttpApp } from './http-app.ts';
import { HttpProblem } from './problem-answer.ts';

export interface HealthDeps {
  /** Undefined when work is taken; otherwise the catalogue code of what is missing. */
  readonly notReady: () => Promise<string | undefined>;
  readonly exposition: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

const open: Access = { kind: 'public' };
const tags = ['health'];
const Sign = Type.Object({ status: Type.Literal('ok') }, { additionalProperties: false });

export async function healthRoutes(app: HttpApp, deps: HealthDeps): Promise<void> {
  app.get(
    '/livez',
    {
      config: { access: open },
      schema: {
        operationId: 'isAlive',
        summary: 'The process answers',
        tags,
        response: { 200: Sign },
      },
    },
    async () => ({ status: 'ok' as const }),
  );
  app.get(
    '/readyz',
    {
      config: { access: open },
      schema: {
        operationId: 'isReady',
        summary: 'Store and broker take work',
        tags,
        response: { 200: Sign, 503: ProblemSchema },
      },
    },
    async () => {
      const missing = await deps.notReady();
      if (missing !== undefined) throw new HttpProblem(missing);
      return { status: 'ok' as const };
    },
  );
  app.get(
    '/metrics',
    {
      config: { access: { kind: 'person', role: 'viewer', scope: 'server' } },
      schema: {
        operationId: 'getMetrics',
        summary: 'Prometheus text exposition; never a label per device',
        tags,
        response: {
          200: {
            description: 'Metrics',
            content: { 'text/plain': { schema: { type: 'string' } } },
          },
        },
      },
    },
    async (_request, reply) => {
      const { contentType, text } = await deps.exposition();
      return reply
        .type(contentType)
        .serializer((body: unknown) => String(body))
        .send(text);
    },
  );
}
