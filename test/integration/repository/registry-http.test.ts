import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FolderBlobStore } from '../../../fleet-server/adapters/blobs/folder-blob-store.ts';
import { parseByteRange } from '../../../fleet-server/http/byte-range.ts';
import { tokenOf } from '../../../fleet-server/http/registry-access.ts';
import type { ImageRepository } from '../../../fleet-server/runner/image-repository.ts';
import { cryptoRandom } from '../../../shared/adapters/random/crypto-random.ts';
import { streamOf } from '../../../shared/core/byte-stream.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { MemoryDisk } from '../../../sim/world/memory-disk.ts';
import { openOrigin, tokens } from '../../support/repository-origin.ts';
import { RepositoryWorld } from '../../support/repository-world.ts';
import { sampleBundle } from '../../support/sample-bundle.ts';
import { plant } from '../../support/store-nouns.ts';

const hasSkopeo = spawnSync('skopeo', ['--version']).error === undefined;
const bundle = sampleBundle();
const tensor = bundle.config.variants[0]!.tensors[0]!.digest;
const tensorBytes = bundle.blobs.get(tensor)!;

let world: RepositoryWorld;
let repository: ImageRepository;
let app: FastifyInstance;

beforeEach(async () => {
  ({ world, repository } = await RepositoryWorld.open());
  await world.upload(repository, bundle);
  world.name(bundle, { fleets: [plant] });
  expect(await world.publish(repository)).toBe('ok');
  app = await openOrigin(repository);
});
afterEach(() => app.close());

const basic = (token: string) => `Basic ${Buffer.from(`token:${token}`).toString('base64')}`;
const ask = (
  method: 'GET' | 'HEAD',
  url: string,
  headers: Record<string, string> = { authorization: basic(tokens.plant) },
) => app.inject({ method, url, headers });

describe('the registry', () => {
  test('when nobody or a stranger asks, the answer is 401 with a challenge', async () => {
    for (const headers of [{}, { authorization: basic('wrong') }, { authorization: 'Basic x' }]) {
      const answer = await ask('GET', '/v2/', headers);
      expect(answer.statusCode).toBe(401);
      expect(answer.headers['www-authenticate']).toContain('Basic');
      expect(answer.json()).toMatchObject({ errors: [{ code: 'UNAUTHORIZED' }] });
    }
    const bearer = { authorization: `Bearer ${tokens.plant}` };
    expect((await ask('GET', '/v2/', bearer)).statusCode).toBe(200);
  });

  test('when a manifest is asked for by tag or digest, it is byte for byte what was signed', async () => {
    for (const reference of ['1.0.0', bundle.digest]) {
      const answer = await ask('GET', `/v2/adder/manifests/${reference}`);
      expect(answer.statusCode).toBe(200);
      expect(answer.rawPayload.equals(bundle.manifest)).toBe(true);
      expect(answer.headers['docker-content-digest']).toBe(bundle.digest);
      expect(answer.headers['content-type']).toContain(
        'application/vnd.oci.image.manifest.v1+json',
      );
      const head = await ask('HEAD', `/v2/adder/manifests/${reference}`);
      expect([head.statusCode, head.headers['content-length'], head.rawPayload.length]).toEqual([
        200,
        String(bundle.manifest.length),
        0,
      ]);
    }
    const tags = await ask('GET', '/v2/adder/tags/list');
    expect(tags.json()).toEqual({ name: 'adder', tags: ['1.0.0'] });
  });

  test('when another fleet asks, nothing exists, and nothing tells it from what never was', async () => {
    const headers = { authorization: basic(tokens.harbour) };
    for (const path of [
      'manifests/1.0.0',
      `manifests/${bundle.digest}`,
      `blobs/${tensor}`,
      'tags/list',
      `blobs/sha256:${'0'.repeat(64)}`,
      'blobs/latest',
    ]) {
      expect((await ask('GET', `/v2/adder/${path}`, headers)).statusCode, path).toBe(404);
    }
    expect((await ask('GET', `/v2/other/manifests/${bundle.digest}`)).statusCode).toBe(404);
  });

  test('when a range is asked, exactly it comes with 206; outside of the blob it is 416', async () => {
    const range = async (header: string) =>
      ask('GET', `/v2/adder/blobs/${tensor}`, {
        authorization: basic(tokens.plant),
        range: header,
      });
    const middle = await range('bytes=10-19');
    expect(middle.statusCode).toBe(206);
    expect(middle.headers['content-range']).toBe(`bytes 10-19/${tensorBytes.length}`);
    expect(middle.rawPayload.equals(tensorBytes.slice(10, 20))).toBe(true);
    const rest = await range(`bytes=${tensorBytes.length - 3}-`);
    expect(rest.rawPayload.equals(tensorBytes.slice(-3))).toBe(true);
    const beyond = await range(`bytes=${tensorBytes.length}-`);
    expect(beyond.statusCode).toBe(416);
    expect(beyond.headers['content-range']).toBe(`bytes */${tensorBytes.length}`);
    const whole = await range('bytes=0-1,3-4');
    expect([whole.statusCode, whole.rawPayload.length]).toEqual([200, tensorBytes.length]);
  });

  test('when a reader or a stranger publishes, it is refused; a publisher sees what it uploaded', async () => {
    const other = sampleBundle({ version: '2.0.0', fill: 2 });
    const url = `/v2/adder/blobs/${other.digest}`;
    const put = (token: string, payload = Buffer.from(other.manifest)) => {
      const authorization = `Bearer ${token}`;
      const headers = { authorization, 'content-type': 'application/octet-stream' };
      return app.inject({ method: 'PUT', url, payload, headers });
    };
    expect((await put(tokens.plant)).statusCode).toBe(403);
    expect((await put('wrong')).statusCode).toBe(401);
    const wrong = await put(tokens.publisher, Buffer.from('other bytes'));
    expect([wrong.statusCode, wrong.json<{ code: string }>().code]).toEqual([
      400,
      'upload-digest-mismatch',
    ]);
    const publisher = { authorization: `Bearer ${tokens.publisher}` };
    expect((await ask('HEAD', url, publisher)).statusCode).toBe(404);
    expect((await put(tokens.publisher)).statusCode).toBe(201);
    expect((await ask('HEAD', url, publisher)).statusCode).toBe(200);
    expect((await ask('HEAD', url)).statusCode).toBe(404);
    const metadata = { method: 'PUT' as const, url: '/tuf/2.targets.json', payload: 'x' };
    const headers = { 'content-type': 'application/octet-stream' };
    expect((await app.inject({ ...metadata, headers })).statusCode).toBe(401);
    const authorized = { ...headers, ...publisher };
    const malformed = await app.inject({ ...metadata, headers: authorized });
    expect(malformed.json()).toMatchObject({ code: 'tuf-malformed-metadata' });
  });

  test('when a blob belongs to a round, not even a publisher sees it, until it brings those bytes itself', async () => {
    const publisher = { authorization: `Bearer ${tokens.publisher}` };
    const [update, heldOut] = ['a device’s update', 'a held-out set'].map((text) => utf8(text));
    if (update === undefined || heldOut === undefined) throw new Error('two blobs');
    const storedAtMs = 1;
    for (const bytes of [update, heldOut]) {
      await world.blobs.put(digestOf(bytes), streamOf(bytes), { bytesMax: 100 });
    }
    // As the office keeps a held-out set; an update has no record at all.
    const record = { digest: digestOf(heldOut), sizeBytes: heldOut.length, storedAtMs };
    await world.store.transaction((tx) => tx.blobs.put({ ...record, purpose: 'round' }));
    for (const bytes of [update, heldOut]) {
      const url = `/v2/adder/blobs/${digestOf(bytes)}`;
      for (const method of ['GET', 'HEAD'] as const) {
        expect((await ask(method, url, publisher)).statusCode).toBe(404);
      }
      const headers = { ...publisher, 'content-type': 'application/octet-stream' };
      const payload = Buffer.from(bytes);
      expect((await app.inject({ method: 'PUT', url, payload, headers })).statusCode).toBe(201);
      expect((await ask('GET', url, publisher)).rawPayload.equals(bytes)).toBe(true);
    }
  });

  test('when metadata is asked for, everybody reads it and only the timestamp is not kept', async () => {
    const timestamp = await ask('GET', '/tuf/timestamp.json', {});
    expect([timestamp.statusCode, timestamp.headers['cache-control']]).toEqual([200, 'no-cache']);
    const root = await ask('GET', '/tuf/1.root.json', {});
    expect(root.rawPayload.equals(world.firstRoot)).toBe(true);
    expect(root.headers['cache-control']).toContain('immutable');
    for (const name of ['2.root.json', 'targets', '..%2f1.root.json', 'targets/x']) {
      const answer = await ask('GET', `/tuf/${name}`, {});
      expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([
        404,
        'not-published',
      ]);
    }
  });
});

describe.skipIf(!hasSkopeo)('given skopeo', () => {
  const copy = async (origin: string, folder: string, token: string): Promise<number | null> => {
    const source = `docker://${origin.replace('http://', '')}/adder:1.0.0`;
    const creds = ['--src-tls-verify=false', '--src-creds', `token:${token}`];
    const args = ['--insecure-policy', 'copy', ...creds, source, `oci:${folder}:1.0.0`];
    const child = spawn('skopeo', args, { stdio: 'ignore' });
    return new Promise((resolve) => child.on('close', resolve));
  };

  test('when it pulls a bundle, it gets every byte that was published; with a wrong token nothing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'skein-skopeo-'));
    try {
      const origin = await app.listen({ host: '127.0.0.1', port: 0 });
      expect(await copy(origin, join(folder, 'a'), tokens.plant)).toBe(0);
      const pulled = await readdir(join(folder, 'a', 'blobs', 'sha256'));
      const published = [bundle.digest, ...bundle.blobs.keys()].map((digest) => digest.slice(7));
      expect(pulled.sort()).toEqual(published.sort());
      const manifest = join(folder, 'a', 'blobs', 'sha256', bundle.digest.slice(7));
      expect((await readFile(manifest)).equals(bundle.manifest)).toBe(true);
      expect(await copy(origin, join(folder, 'b'), tokens.harbour)).not.toBe(0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

test.each([
  [undefined, { kind: 'whole' }],
  ['bytes=0-', { kind: 'part', from: 0, length: 100 }],
  ['bytes=99-', { kind: 'part', from: 99, length: 1 }],
  ['bytes=-1', { kind: 'part', from: 99, length: 1 }],
  ['bytes=-1000', { kind: 'part', from: 0, length: 100 }],
  ['bytes=10-1000', { kind: 'part', from: 10, length: 90 }],
  ['bytes=100-', { kind: 'unsatisfiable' }],
  ['bytes=-0', { kind: 'unsatisfiable' }],
  ['bytes=9-3', { kind: 'whole' }],
  ['bytes=-', { kind: 'whole' }],
  ['items=0-1', { kind: 'whole' }],
  ['bytes=0-1,4-5', { kind: 'whole' }],
])('given the range %s of 100 bytes, it reads as %j', (header, expected) => {
  expect(parseByteRange(header, 100)).toEqual(expected);
});

test.each([
  [undefined, undefined],
  ['Bearer abc', 'abc'],
  ['Bearer ', undefined],
  [`Basic ${Buffer.from('anyone:se:cret').toString('base64')}`, 'se:cret'],
  [`Basic ${Buffer.from('anyone:').toString('base64')}`, undefined],
  ['Basic not-base64', undefined],
  ['Digest abc', undefined],
])('given the header %s, the token is %s', (header, token) => {
  expect(tokenOf(header)).toBe(token);
});

test('given a folder store on a simulated disk, a stored blob is served as from memory', async () => {
  const blobs = await FolderBlobStore.open(new MemoryDisk(), cryptoRandom);
  const body = (async function* () {
    yield tensorBytes;
  })();
  await blobs.put(tensor, body, { bytesMax: tensorBytes.length });
  expect(await blobs.size(tensor)).toBe(tensorBytes.length);
});
