import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifySchema } from 'fastify';
import { ProblemSchema } from '../../shared/contracts/problem.ts';
import type { Access } from './access.ts';

const problem = {
  description: 'What failed, by the code of the catalogue (RFC 9457)',
  content: { 'application/problem+json': { schema: ProblemSchema } },
};
const problemReference = { $ref: '#/components/responses/Problem' } as const;

const security = { bearer: [] } as const;

/** OpenAPI 3.1 from the very schemas that judge requests. Register it before the routes. */
export async function useOpenApi(app: FastifyInstance): Promise<void> {
  app.addHook('onRoute', (route) => {
    const { schema } = route;
    if (schema === undefined) return;
    route.schema = { ...schema, ...documented(schema, route.config?.access) };
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Skein fleet server',
        version: '1',
        description:
          'The admin plane under /api/v1 and the device plane under /device/v1. Every failure is a problem with a code.',
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    },
    hideUntagged: true,
  });
}

/** Each operation says who may ask and that it may fail; nobody has to remember to write it. */
function documented(schema: FastifySchema, access: Access | undefined): FastifySchema {
  const response = { ...(schema.response as object) };
  if (access === undefined || access.kind === 'public') return { response, security: [] };
  if (access.kind === 'device') {
    return { response, security: [security], description: 'For a device, with its session token.' };
  }
  return {
    response,
    security: [security],
    description: `Role: ${access.role}${access.kind === 'person' ? `, scope: ${access.scope}` : ', or a device'}.`,
  };
}

/** The document as it is served: the one answer that every operation may give is written once. */
export function describeApp(app: FastifyInstance): object {
  const document = structuredClone(app.swagger()) as unknown as {
    readonly paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
    readonly components: Record<string, unknown>;
  };
  document.components['responses'] = { Problem: problem };
  for (const operations of Object.values(document.paths)) {
    for (const operation of Object.values(operations)) {
      operation.responses['default'] = problemReference;
    }
  }
  return document;
}
