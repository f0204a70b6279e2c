import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { HttpFetcher } from '../../shared/adapters/http/http-fetcher.ts';
import { concatBytes, utf8 } from '../../shared/core/bytes.ts';
import { SimClock, WorldTime } from '../../sim/world/sim-clock.ts';
import { type OriginHandler, type OriginRequest, SimFetcher } from '../../sim/world/sim-fetcher.ts';
import { TimeLoop } from '../../sim/world/time-loop.ts';
import { type FetcherUnderTest, fetcherSuite } from './fetcher.suite.ts';

async function openHttp(origin: OriginHandler): Promise<FetcherUnderTest> {
  const server = http.createServer((request, response) => {
    // A broken origin is a cut connection, not a 500.
    answer(origin, request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const fetcher = new HttpFetcher({ origin: `http://127.0.0.1:${port}` });
  return {
    fetcher,
    run: (promise) => promise,
    close: async () => {
      fetcher.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  origin: OriginHandler,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  const parts: Uint8Array[] = [];
  for await (const part of request as AsyncIterable<Uint8Array>) parts.push(part);
  const headers = new Map(Object.entries(request.headers).map(([k, v]) => [k, String(v)]));
  const {
    status,
    headers: answered,
    body,
  } = await origin({
    method: request.method as OriginRequest['method'],
    path: request.url ?? '',
    headers,
    body: concatBytes(parts),
  });
  response.writeHead(status, Object.fromEntries(answered));
  for await (const part of body instanceof Uint8Array ? [body] : body) {
    if (response.destroyed) return;
    await new Promise<void>((resolve) => response.write(part, () => resolve()));
  }
  response.end();
}

async function openSim(origin: OriginHandler): Promise<FetcherUnderTest> {
  const time = new WorldTime();
  const loop = new TimeLoop(time);
  return {
    fetcher: new SimFetcher(origin, new SimClock(time, 'fetcher')),
    run: (promise) => loop.runUntil(promise),
    close: () => Promise.resolve(),
  };
}

fetcherSuite('http', openHttp);
fetcherSuite('simulated', openSim);

test('when the address is no bare origin, the fetcher is not built', () => {
  for (const origin of ['http://a/', 'http://a/b', 'http://u:p@a', 'HTTP://a']) {
    expect(() => new HttpFetcher({ origin }), origin).toThrow('not a bare origin');
  }
});

test('when nobody listens, the request ends with fetch-failed', async () => {
  const fetcher = new HttpFetcher({ origin: 'http://127.0.0.1:1' });
  const request = { method: 'GET', path: '/', bytesMax: 1, timeoutMs: 5000 } as const;
  await expect(fetcher.fetch(request)).rejects.toMatchObject({ code: 'fetch-failed' });
});

async function simulated(change: (fetcher: SimFetcher) => void): Promise<{
  readonly read: Promise<string>;
  readonly tookMs: number;
}> {
  const time = new WorldTime();
  const loop = new TimeLoop(time);
  const fetcher = new SimFetcher(
    async () => ({ status: 200, headers: new Map(), body: utf8('abcdef') }),
    new SimClock(time, 'fetcher'),
  );
  change(fetcher);
  const read = loop.runUntil(
    (async () => {
      const request = { method: 'GET', path: '/', bytesMax: 100_000, timeoutMs: 60_000 } as const;
      let text = '';
      for await (const part of (await fetcher.fetch(request)).body) {
        text += new TextDecoder().decode(part);
      }
      return text;
    })(),
  );
  await read.catch(() => undefined);
  return { read, tookMs: time.nowMs };
}

test('when the simulated way is slow, the world time it takes is latency plus size over speed', async () => {
  const { read, tookMs } = await simulated((fetcher) => {
    fetcher.faults.latencyMs = 500;
    fetcher.faults.bytesPerSecond = 6;
  });
  expect(await read).toBe('abcdef');
  expect(tookMs).toBe(1500);
});

test('when the simulated way is cut, truncates, flips or never ends, the reader sees just that', async () => {
  const cut = await simulated((fetcher) => {
    fetcher.faults.isCut = true;
  });
  await expect(cut.read).rejects.toMatchObject({ code: 'fetch-failed' });
  const truncated = await simulated((fetcher) => {
    fetcher.faults.truncateAfterBytes = 3;
  });
  await expect(truncated.read).rejects.toMatchObject({ code: 'fetch-failed' });
  const flipped = await simulated((fetcher) => {
    fetcher.faults.flipByteAt = 1;
  });
  expect(await flipped.read).toBe('accdef');
  const endless = await simulated((fetcher) => {
    fetcher.faults.isEndless = true;
  });
  await expect(endless.read).rejects.toMatchObject({ code: 'response-too-large' });
});
