import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { httpBody, httpMetadataSource } from '../../cli/tuf/http-get.ts';
import { collect } from '../../shared/trust/tuf/metadata-source.ts';

const patientMs = 30_000;

async function withServer(
  answer: RequestListener,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/repo`);
  } finally {
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  }
}

test('given a base URL without a slash at its end, names are still below it', () =>
  withServer(
    (request, response) => response.end(request.url),
    async (url) => {
      const bytes = await httpMetadataSource(url).fetch('1.root.json', { bytesMax: 100 });
      expect(Buffer.from(bytes ?? []).toString()).toBe('/repo/1.root.json');
    },
  ));

test.each([404, 403])('given status %i, the file is absent', (status) =>
  withServer(
    (_, response) => response.writeHead(status).end('no'),
    async (url) => {
      expect(await httpMetadataSource(url).fetch('x', { bytesMax: 100 })).toBeUndefined();
    },
  ),
);

test.each([500, 301])('given status %i, the fetch fails', (status) =>
  withServer(
    (_, response) => response.writeHead(status, { location: '/elsewhere' }).end(),
    async (url) => {
      const fetching = httpMetadataSource(url).fetch('x', { bytesMax: 100 });
      await expect(fetching).rejects.toMatchObject({ code: 'fetch-failed' });
    },
  ),
);

test('given an endless body, the transfer is cut at the limit', () =>
  withServer(
    (_, response) => {
      const send = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        if (!response.destroyed) response.once('drain', send);
      };
      send();
    },
    async (url) => {
      const fetching = httpMetadataSource(url).fetch('x', { bytesMax: 100_000 });
      await expect(fetching).rejects.toMatchObject({ code: 'response-too-large' });
    },
  ));

test('given a body that never goes on, the deadline ends it', () =>
  withServer(
    (_, response) => {
      response.write('one byte more, some day');
    },
    async (url) => {
      const fetching = httpMetadataSource(url, 200).fetch('x', { bytesMax: 100 });
      await expect(fetching).rejects.toMatchObject({ code: 'fetch-timeout', retryable: true });
      const body = await httpBody(url, 'x', 200);
      await expect(collect(body, 100)).rejects.toMatchObject({ code: 'fetch-timeout' });
    },
  ));

test('given a server that never answers, the deadline ends it', () =>
  withServer(
    () => undefined,
    async (url) => {
      const fetching = httpMetadataSource(url, 200).fetch('x', { bytesMax: 100 });
      await expect(fetching).rejects.toMatchObject({ code: 'fetch-timeout' });
    },
  ));

test('given a transfer that breaks off before its stated length, it fails', () =>
  withServer(
    (_, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('half', () => response.destroy());
    },
    async (url) => {
      const fetching = httpMetadataSource(url, patientMs).fetch('x', { bytesMax: 5000 });
      await expect(fetching).rejects.toMatchObject({ code: 'fetch-failed' });
    },
  ));

test('given nobody listening, the fetch fails and may be tried again', async () => {
  const fetching = httpMetadataSource('http://127.0.0.1:9/', patientMs).fetch('x', { bytesMax: 1 });
  await expect(fetching).rejects.toMatchObject({ code: 'fetch-failed', retryable: true });
});
