import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { HttpFetcher } from '../../shared/adapters/http/http-fetcher.ts';
import type { Fetcher } from '../../shared/ports/fetcher.ts';

const request = { method: 'GET', path: '/', bytesMax: 1000, timeoutMs: 20_000 } as const;
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function listening(server: http.Server | https.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function read(fetcher: Fetcher): Promise<string> {
  let text = '';
  for await (const part of (await fetcher.fetch(request)).body)
    text += new TextDecoder().decode(part);
  return text;
}

test('when a body trickles below the minimum speed, it is cut long before the deadline', async () => {
  const server = http.createServer((_request, response) => {
    const trickle = setInterval(() => response.write('x'), 20);
    response.once('close', () => clearInterval(trickle));
  });
  const fetcher = new HttpFetcher({
    origin: `http://127.0.0.1:${await listening(server)}`,
    minimumSpeed: { bytes: 100, periodMs: 100 },
  });
  await expect(read(fetcher)).rejects.toMatchObject({
    code: 'fetch-timeout',
    message: expect.stringContaining('bytes in 100 ms') as string,
  });
});

test('when many requests follow each other, they share a few connections', async () => {
  let connections = 0;
  const server = http.createServer((_request, response) => response.end('fine'));
  server.on('connection', () => {
    connections += 1;
  });
  const fetcher = new HttpFetcher({ origin: `http://127.0.0.1:${await listening(server)}` });
  closing.push(() => fetcher.close());
  for (let i = 0; i < 20; i += 1) expect(await read(fetcher)).toBe('fine');
  expect(connections).toBeLessThanOrEqual(2);
});

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

describe.skipIf(!hasOpenssl)('over TLS', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'skein-tls-'));
    for (const name of ['ours', 'other']) {
      const openssl = (...given: string[]): Buffer =>
        execFileSync('openssl', given, { cwd: folder, stdio: 'pipe' });
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
      openssl(
        'req',
        '-x509',
        ...key,
        '-keyout',
        `${name}-ca.key`,
        '-out',
        `${name}-ca.pem`,
        '-subj',
        `/CN=${name}`,
      );
      openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', '/CN=x');
      writeFileSync(join(folder, 'names'), 'subjectAltName=IP:127.0.0.1');
      const authority = ['-CA', `${name}-ca.pem`, '-CAkey', `${name}-ca.key`, '-CAcreateserial'];
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        ...authority,
        '-out',
        `${name}.pem`,
        '-extfile',
        'names',
      );
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const file = (name: string): string => readFileSync(join(folder, name), 'utf8');

  async function origin(name: string): Promise<string> {
    const options = { key: file(`${name}.key`), cert: file(`${name}.pem`) };
    const server = https.createServer(options, (_request, response) => response.end('fine'));
    return `https://127.0.0.1:${await listening(server)}`;
  }

  test('when the certificate comes from the pinned authority, the body arrives', async () => {
    const fetcher = new HttpFetcher({ origin: await origin('ours'), ca: file('ours-ca.pem') });
    closing.push(() => fetcher.close());
    expect(await read(fetcher)).toBe('fine');
  });

  test('when it comes from another authority, or none is pinned, nothing is fetched', async () => {
    const pinned = new HttpFetcher({ origin: await origin('other'), ca: file('ours-ca.pem') });
    await expect(read(pinned)).rejects.toMatchObject({ code: 'fetch-failed' });
    const unpinned = new HttpFetcher({ origin: await origin('ours') });
    await expect(read(unpinned)).rejects.toMatchObject({ code: 'fetch-failed' });
  });
});
