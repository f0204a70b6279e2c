import type { InjectOptions } from 'fastify';
import { limits } from '../../../shared/contracts/limits.ts';
import { device, digest, filetype, plant, targetPath } from '../../support/store-nouns.ts';
import { type Attack, atDoor, type BadCase } from './bad-case.ts';
import { codeIn, ServerScene } from './server-scene.ts';

/** A server that knows one device and one bundle. */
async function open(): Promise<ServerScene> {
  const scene = await ServerScene.open();
  await scene.http.store.transaction(async (tx) => {
    await tx.devices.insert(device('edge-1'));
    await tx.bundles.insert({
      ...{ fleet: plant, path: targetPath('1.0.0'), name: 'filetype', version: '1.0.0' },
      ...{
        digest: digest('1'),
        status: 'live',
        blobs: [digest('1')],
        publishedAtMs: 0,
        statusSinceMs: 0,
        contentReleasedAtMs: null,
        minAgent: null,
      },
    });
  });
  return scene;
}

const rollout = {
  ...{ app: filetype, path: targetPath('1.0.0'), digest: digest('1') },
  ...{ target: 'state = accepted', waves: [{ percent: 100 }] },
};

/** One request as an admin, with what a case changes of it. */
const asking =
  (scene: ServerScene, request: InjectOptions, token: string | undefined = scene.http.admin) =>
  async (): Promise<string> =>
    codeIn(await scene.http.ask(token, request));

const posting = (scene: ServerScene, url: string, payload: object | string): Attack => {
  const headers = { 'content-type': 'application/json' };
  return asking(scene, { method: 'POST', url: `/api/v1${url}`, payload, headers });
};

const rollouts = '/fleets/plant/rollouts';
const drafting = (scene: ServerScene, change: object): Attack =>
  posting(scene, rollouts, { ...rollout, ...change });
const device1 = '/api/v1/fleets/plant/devices/edge-1';

const forms: readonly BadCase<ServerScene>[] = [
  {
    code: 'malformed-json',
    title: 'a body is cut off',
    prepare: (scene) => posting(scene, rollouts, '{"app":'),
  },
  {
    code: 'malformed-json',
    title: 'a body says a key twice',
    prepare: (scene) => posting(scene, '/fleets/plant/claims', '{"uses":1,"uses":100}'),
  },
  {
    code: 'schema-mismatch',
    title: 'a body has a field that nobody knows',
    prepare: (scene) => drafting(scene, { surprise: true }),
  },
  {
    code: 'schema-mismatch',
    title: 'a number comes as text',
    prepare: (scene) => posting(scene, '/fleets/plant/claims', { uses: '1' }),
  },
  {
    code: 'too-large',
    title: 'a body is larger than any request',
    prepare: (scene) => posting(scene, rollouts, { pad: 'x'.repeat(limits.requestBytesMax) }),
  },
  {
    code: 'media-type-refused',
    title: 'a body comes as a form',
    prepare: (scene) =>
      asking(scene, {
        ...{ method: 'POST', url: '/api/v1/fleets/plant/claims', payload: 'uses=1' },
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
  },
  {
    code: 'filter-syntax',
    title: 'a target is no filter',
    prepare: (scene) => drafting(scene, { target: 'state = = accepted' }),
  },
  {
    code: 'filter-unknown-name',
    title: 'a target asks for what no device has',
    prepare: (scene) => drafting(scene, { target: 'colour = red' }),
  },
  {
    code: 'filter-wrong-type',
    title: 'a target compares a flag with a word',
    prepare: (scene) => drafting(scene, { target: 'online = maybe' }),
  },
  {
    code: 'filter-too-large',
    title: 'a target has hundreds of conditions',
    prepare: (scene) =>
      drafting(scene, { target: Array.from({ length: 220 }, () => 'online = true').join(' and ') }),
  },
  {
    code: 'rollout-spec-invalid',
    title: 'a plan does not end with everyone',
    prepare: (scene) => drafting(scene, { waves: [{ percent: 10 }] }),
  },
  {
    code: 'cursor-invalid',
    title: 'a cursor is of another list',
    prepare: (scene) => {
      const cursor = Buffer.from('["0000000000000000","edge-1"]').toString('base64url');
      return asking(scene, { url: `/api/v1/fleets/plant/devices?cursor=${cursor}` });
    },
  },
];

const rights: readonly BadCase<ServerScene>[] = [
  {
    code: 'token-missing',
    title: 'nobody says who asks',
    prepare: (scene) => async () =>
      codeIn(await scene.http.ask(undefined, { url: '/api/v1/fleets/plant/devices' })),
  },
  {
    code: 'token-invalid',
    title: 'a token was made up',
    prepare: (scene) => {
      const token = `skein_admin_${'0'.repeat(64)}`;
      return asking(scene, { method: 'POST', url: `/api/v1${rollouts}`, payload: rollout }, token);
    },
  },
  {
    code: 'token-expired',
    title: 'a token has run out',
    prepare: async (scene) => {
      const by = { kind: 'person', name: 'test', role: 'admin', fleets: [] } as const;
      const asked = { name: 'short', role: 'admin', fleets: [], lifeMs: 1_000 } as const;
      const issued = await scene.http.desks.access.create(by, asked);
      await scene.http.pass(1_001);
      const token = issued.ok ? issued.value.token : '';
      return asking(scene, { method: 'POST', url: `/api/v1${rollouts}`, payload: rollout }, token);
    },
  },
  {
    code: 'token-revoked',
    title: 'a token was revoked',
    prepare: async (scene) => {
      const token = await scene.http.token('admin', [], 'gone');
      await scene.http.ask(scene.http.admin, { method: 'DELETE', url: '/api/v1/tokens/gone' });
      return asking(scene, { method: 'POST', url: `/api/v1${rollouts}`, payload: rollout }, token);
    },
  },
  {
    code: 'role-insufficient',
    title: 'a viewer drafts a rollout',
    prepare: async (scene) => {
      const token = await scene.http.token('viewer');
      return asking(scene, { method: 'POST', url: `/api/v1${rollouts}`, payload: rollout }, token);
    },
  },
  {
    code: 'host-refused',
    title: 'a web page asks under a name of its own',
    prepare: (scene) =>
      asking(scene, {
        ...{ method: 'POST', url: `/api/v1${rollouts}`, payload: rollout },
        headers: { host: 'rebound.example' },
      }),
  },
  {
    code: 'not-found',
    title: 'a fleet is somebody else’s',
    prepare: async (scene) => {
      const token = await scene.http.token('operator', [plant], 'narrow');
      const url = '/api/v1/fleets/harbour/rollouts';
      return asking(scene, { method: 'POST', url, payload: rollout }, token);
    },
  },
  {
    code: 'route-unknown',
    title: 'a path leads nowhere',
    prepare: (scene) => posting(scene, '/fleets/plant/robots', {}),
  },
];

const tagged = async (scene: ServerScene): Promise<string> =>
  String((await scene.http.ask(scene.http.admin, { url: device1 })).headers['etag']);

const conditions: readonly BadCase<ServerScene>[] = [
  {
    code: 'precondition-required',
    title: 'a device is ended by somebody who has not looked at it',
    prepare: (scene) =>
      asking(scene, { method: 'POST', url: `${device1}/decommission`, payload: {} }),
  },
  {
    code: 'precondition-failed',
    title: 'a device changed since it was looked at',
    prepare: async (scene) => {
      const headers = { 'if-match': await tagged(scene) };
      const change = { tags: { site: 'bergen' } };
      const put = { method: 'PUT', url: `${device1}/tags`, headers } as const;
      await scene.http.ask(scene.http.admin, { ...put, payload: change });
      return asking(scene, { ...put, payload: { tags: { site: 'oslo' } } });
    },
  },
  {
    code: 'idempotency-mismatch',
    title: 'a key of an earlier request comes with another one',
    prepare: async (scene) => {
      const headers = { 'idempotency-key': 'once' };
      const request = { method: 'POST', url: '/api/v1/fleets/plant/claims', headers } as const;
      await scene.http.ask(scene.http.admin, { ...request, payload: { uses: 1 } });
      return asking(scene, { ...request, payload: { uses: 100 } });
    },
  },
];

export const http = atDoor({
  name: 'a request to the server',
  open,
  cases: [...forms, ...rights, ...conditions],
});
