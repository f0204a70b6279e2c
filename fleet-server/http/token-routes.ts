import {
  IssuedTokenSchema,
  type IssuedTokenView,
  TokenListSchema,
  TokenParamsSchema,
  TokenRequestSchema,
  type TokenView,
  WhoSchema,
} from '../../shared/contracts/api/token.ts';
import { Type } from '../../shared/contracts/json-schema.ts';
import type { AccessToken } from '../core/model/access.ts';
import type { TokenDesk } from '../runner/token-desk.ts';
import type { Access } from './access.ts';
import { personOf } from './authentication.ts';
import type { HttpApp } from './http-app.ts';
import { valueOf } from './problem-answer.ts';

const tags = ['tokens'];
const admin: Access = { kind: 'person', role: 'admin', scope: 'own' };

export async function tokenRoutes(app: HttpApp, { access }: { readonly access: TokenDesk }) {
  app.get(
    '/whoami',
    {
      config: { access: { kind: 'person', role: 'viewer', scope: 'own' } },
      schema: {
        operationId: 'whoAmI',
        summary: 'What the asking token may do',
        tags,
        response: { 200: WhoSchema },
      },
    },
    async (request) => {
      const { name, role, fleets } = personOf(request);
      return { name, role, fleets };
    },
  );
  app.post(
    '/tokens',
    {
      config: { access: admin, answersSecret: true },
      schema: {
        operationId: 'createToken',
        summary: 'Make an API token; the answer alone holds it',
        tags,
        body: TokenRequestSchema,
        response: { 201: IssuedTokenSchema },
      },
    },
    async (request, reply): Promise<IssuedTokenView> => {
      const { lifeMs = null, ...asked } = request.body;
      const issued = valueOf(await access.create(personOf(request), { ...asked, lifeMs }));
      reply.code(201).header('cache-control', 'no-store');
      return { token: issued.token, ...show(issued.record) };
    },
  );
  app.get(
    '/tokens',
    {
      config: { access: admin },
      schema: {
        operationId: 'listTokens',
        summary: 'List tokens by name; none is shown',
        tags,
        response: { 200: TokenListSchema },
      },
    },
    async (request) => ({ items: (await access.list(personOf(request))).map(show) }),
  );
  app.delete(
    '/tokens/:name',
    {
      config: { access: admin },
      schema: {
        operationId: 'revokeToken',
        summary: 'Revoke a token; its next request is refused',
        tags,
        params: TokenParamsSchema,
        response: { 204: Type.Unsafe<undefined>({ description: 'Done' }) },
      },
    },
    async (request, reply) => {
      valueOf(await access.revoke(personOf(request), request.params.name));
      return reply.code(204).send(undefined);
    },
  );
}

const show = ({ tokenHash: _, fleets, ...rest }: AccessToken): TokenView => ({
  ...rest,
  fleets: [...fleets],
});
