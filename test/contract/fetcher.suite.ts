import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { concatBytes, utf8 } from '../../shared/core/bytes.ts';
import type { Fetcher, FetchRequest } from '../../shared/ports/fetcher.ts';
import type { OriginHandler, OriginRequest, OriginResponse } from '../../sim/world/sim-fetcher.ts';

export interface FetcherUnderTest {
  readonly fetcher: Fetcher;
  /** Lets time pass until the promise settles. */
  readonly run: <T>(promise: Promise<T>) => Promise<T>;
  readonly close: () => Promise<void>;
}

export type OpenFetcher = (origin: OriginHandler) => Promise<FetcherUnderTest>;

const get: FetchRequest = { method: 'GET', path: '/a', bytesMax: 100_000, timeoutMs: 20_000 };
const hurried: FetchRequest = { ...get, timeoutMs: 100 };

const answer = (
  body: OriginResponse['body'],
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): OriginResponse => ({ status, headers: new Map(Object.entries(headers)), body });

const textOf = async (body: AsyncIterable<Uint8Array>): Promise<string> => {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return new TextDecoder().decode(concatBytes(parts));
};

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(10_000);
}

async function* breaking(): AsyncGenerator<Uint8Array> {
  yield utf8('half');
  await Promise.resolve();
  throw new Error('the origin died');
}

async function* hanging(): AsyncGenerator<Uint8Array> {
  yield utf8('half');
  await new Promise(() => undefined);
}

/** What every Fetcher promises. Time is never asserted: only which reason ended a request. */
export function fetcherSuite(name: string, open: OpenFetcher): void {
  describe(`Fetcher: ${name}`, () => {
    const opened: FetcherUnderTest[] = [];
    afterEach(async () => {
      for (const under of opened.splice(0)) await under.close();
    });
    const start = async (origin: OriginHandler): Promise<FetcherUnderTest> => {
      const under = await open(origin);
      opened.push(under);
      return under;
    };
    requestSuite(start);
    headSuite(start);
    bodySuite(start);
    endingSuite(start);
  });
}

function requestSuite(open: OpenFetcher): void {
  test('when a request is made, the origin sees method, path, headers, bearer and body as given', async () => {
    const seen: OriginRequest[] = [];
    const { fetcher, run } = await open(async (request) => {
      seen.push(request);
      return answer(utf8('fine'), {}, 201);
    });
    const response = await run(
      fetcher.fetch({
        ...get,
        method: 'PUT',
        path: '/x%20y?z=1',
        bearer: 'token-1',
        headers: new Map([['X-Skein-Test', 'yes']]),
        rangeFromByte: 7,
        body: utf8('content'),
      }),
    );
    expect(response.status).toBe(201);
    expect(await run(textOf(response.body))).toBe('fine');
    const [{ method, path, headers, body } = expect.unreachable()] = seen;
    expect([method, path]).toEqual(['PUT', '/x%20y?z=1']);
    expect(new TextDecoder().decode(body)).toBe('content');
    expect(headers.get('x-skein-test')).toBe('yes');
    expect(headers.get('authorization')).toBe('Bearer token-1');
    expect(headers.get('range')).toBe('bytes=7-');
    expect(headers.get('accept-encoding')).toBe('identity');
  });

  test('when no bearer is given, none is sent', async () => {
    const { fetcher, run } = await open(async ({ headers }) =>
      answer(utf8(headers.has('authorization') ? 'leaked' : 'none')),
    );
    const response = await run(fetcher.fetch(get));
    expect(await run(textOf(response.body))).toBe('none');
  });

  test('when a path is not absolute and encoded, that is a bug and nothing is sent', async () => {
    const { fetcher, run } = await open(async () => expect.unreachable());
    for (const path of ['', 'a', 'http://other/', '/a b', '/a\r\nx: y', '/ü']) {
      await expect(run(fetcher.fetch({ ...get, path })), path).rejects.toMatchObject({
        code: 'invariant-violated',
      });
    }
  });
}

function headSuite(open: OpenFetcher): void {
  test('when the origin redirects, the request ends with redirect-refused', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      const { fetcher, run } = await open(async () =>
        answer(new Uint8Array(0), { location: '/b' }, status),
      );
      await expect(run(fetcher.fetch({ ...get, bearer: 'secret' }))).rejects.toMatchObject({
        code: 'redirect-refused',
      });
    }
  });

  test('when the answer is encoded, it is refused unread', async () => {
    const { fetcher, run } = await open(async () =>
      answer(utf8('x'), { 'content-encoding': 'gzip' }),
    );
    await expect(run(fetcher.fetch(get))).rejects.toMatchObject({
      code: 'content-encoding-refused',
    });
  });

  test('when a range was asked, a 206 must start there and a 200 restarts', async () => {
    const replies = [
      answer(utf8('cd'), { 'content-range': 'bytes 2-3/4' }, 206),
      answer(utf8('abcd')),
      answer(utf8('bcd'), { 'content-range': 'bytes 1-3/4' }, 206),
      answer(utf8('cd'), {}, 206),
    ];
    const { fetcher, run } = await open(async () => replies.shift() ?? expect.unreachable());
    const ask = (): ReturnType<Fetcher['fetch']> =>
      run(fetcher.fetch({ ...get, rangeFromByte: 2 }));
    const partial = await ask();
    expect(partial.rangeFromByte).toBe(2);
    expect(await run(textOf(partial.body))).toBe('cd');
    const whole = await ask();
    expect([whole.status, whole.rangeFromByte]).toEqual([200, undefined]);
    expect(await run(textOf(whole.body))).toBe('abcd');
    await expect(ask()).rejects.toMatchObject({ code: 'range-mismatch' });
    await expect(ask()).rejects.toMatchObject({ code: 'range-mismatch' });
  });

  test('when nobody asked for a range, a 206 is refused', async () => {
    const { fetcher, run } = await open(async () =>
      answer(utf8('ab'), { 'content-range': 'bytes 0-1/4' }, 206),
    );
    await expect(run(fetcher.fetch(get))).rejects.toMatchObject({ code: 'range-mismatch' });
  });

  test('when the origin is busy, its wait is read in seconds or by its own date, at most a day', async () => {
    const date = 'Sat, 21 Nov 2026 10:00:00 GMT';
    const replies: readonly [Record<string, string>, number | undefined][] = [
      [{ 'retry-after': '3' }, 3000],
      [{ 'retry-after': '99999999' }, 86_400_000],
      [{ 'retry-after': 'Sat, 21 Nov 2026 10:00:05 GMT', date }, 5000],
      [{ 'retry-after': 'Sat, 21 Nov 2026 09:00:00 GMT', date }, 0],
      [{ 'retry-after': 'soon' }, undefined],
      [{}, undefined],
    ];
    for (const [headers, expected] of replies) {
      const { fetcher, run } = await open(async () => answer(utf8('busy'), headers, 503));
      const response = await run(fetcher.fetch(get));
      expect([response.status, response.retryAfterMs]).toEqual([503, expected]);
      expect(await run(textOf(response.body))).toBe('busy');
    }
  });
}

function bodySuite(open: OpenFetcher): void {
  test('when a body has exactly bytesMax bytes it arrives whole; with one more it is cut', async () => {
    const { fetcher, run } = await open(async () => answer(new Uint8Array(50_000).fill(97)));
    const exact = await run(fetcher.fetch({ ...get, bytesMax: 50_000 }));
    expect((await run(textOf(exact.body))).length).toBe(50_000);
    const read = async (): Promise<string> =>
      textOf((await fetcher.fetch({ ...get, bytesMax: 49_999 })).body);
    await expect(run(read())).rejects.toMatchObject({ code: 'response-too-large' });
  });

  test('when the announced length is over the limit, nothing is read', async () => {
    const { fetcher, run } = await open(async () =>
      answer(new Uint8Array(2000), { 'content-length': '2000' }),
    );
    await expect(run(fetcher.fetch({ ...get, bytesMax: 1999 }))).rejects.toMatchObject({
      code: 'response-too-large',
    });
  });

  test('when a body never ends, it is cut at bytesMax', async () => {
    const { fetcher, run } = await open(async () => answer(endless()));
    const response = await run(fetcher.fetch(get));
    await expect(run(textOf(response.body))).rejects.toMatchObject({ code: 'response-too-large' });
  });

  test('when the connection breaks in the body, it never ends as if whole, but with fetch-failed', async () => {
    const { fetcher, run } = await open(async () => answer(breaking(), { 'content-length': '8' }));
    const received: string[] = [];
    const read = async (): Promise<void> => {
      const { body } = await fetcher.fetch(get);
      for await (const part of body) received.push(new TextDecoder().decode(part));
    };
    await expect(run(read())).rejects.toMatchObject({ code: 'fetch-failed', retryable: true });
    expect('half'.startsWith(received.join(''))).toBe(true);
  });
}

function endingSuite(open: OpenFetcher): void {
  test('when the origin never answers, the request ends with fetch-timeout', async () => {
    const { fetcher, run } = await open(() => new Promise(() => undefined));
    await expect(run(fetcher.fetch(hurried))).rejects.toMatchObject({
      code: 'fetch-timeout',
      retryable: true,
    });
  });

  test('when the body stalls, the deadline of the whole request ends it', async () => {
    const { fetcher, run } = await open(async () => answer(hanging()));
    const read = async (): Promise<string> => textOf((await fetcher.fetch(hurried)).body);
    await expect(run(read())).rejects.toMatchObject({ code: 'fetch-timeout' });
  });

  test('when the origin breaks off before its answer, the request ends with fetch-failed', async () => {
    const { fetcher, run } = await open(() => Promise.reject(new Error('crash')));
    await expect(run(fetcher.fetch(get))).rejects.toMatchObject({
      code: 'fetch-failed',
      retryable: true,
    });
  });

  test('when the caller aborts before, while waiting, or in the body, it is fetch-cancelled', async () => {
    const cancelled = { code: 'fetch-cancelled' };
    const { fetcher, run } = await open(async ({ path }) =>
      path === '/silent' ? new Promise(() => undefined) : answer(hanging()),
    );
    await expect(run(fetcher.fetch({ ...get, signal: AbortSignal.abort() }))).rejects.toMatchObject(
      cancelled,
    );
    const waiting = new AbortController();
    const silent = fetcher.fetch({ ...get, path: '/silent', signal: waiting.signal });
    waiting.abort();
    await expect(run(silent)).rejects.toMatchObject(cancelled);
    const reading = new AbortController();
    const read = async (): Promise<void> => {
      const { body } = await fetcher.fetch({ ...get, signal: reading.signal });
      for await (const part of body) if (part.length > 0) reading.abort();
    };
    await expect(run(read())).rejects.toMatchObject(cancelled);
  });

  test('when a request is over, however it ended, nothing listens to its signal any more', async () => {
    const { fetcher, run } = await open(async ({ path }) =>
      path === '/redirect' ? answer(utf8(''), {}, 302) : answer(utf8('fine')),
    );
    const { signal } = new AbortController();
    const whole = await run(fetcher.fetch({ ...get, signal }));
    expect(getEventListeners(signal, 'abort')).not.toEqual([]);
    await run(textOf(whole.body));
    (await run(fetcher.fetch({ ...get, signal }))).cancel();
    await expect(run(fetcher.fetch({ ...get, path: '/redirect', signal }))).rejects.toThrow();
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('when a body is cancelled or left half-way, the next requests still get through', async () => {
    const { fetcher, run } = await open(async ({ path }) =>
      answer(path === '/endless' ? endless() : utf8('next')),
    );
    for (let i = 0; i < 20; i += 1) {
      const response = await run(fetcher.fetch({ ...get, path: '/endless' }));
      if (i % 2 === 0) response.cancel();
      else await run(firstPart(response.body));
    }
    const response = await run(fetcher.fetch(get));
    expect(await run(textOf(response.body))).toBe('next');
  });
}

async function firstPart(body: AsyncIterable<Uint8Array>): Promise<Uint8Array | undefined> {
  for await (const part of body) return part;
  return undefined;
}
