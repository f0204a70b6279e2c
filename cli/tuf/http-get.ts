import { limits } from '../../shared/contracts/limits.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { collect, type MetadataSource } from '../../shared/trust/tuf/metadata-source.ts';

/** A metadata folder anywhere: the URL comes from the operator, unlike a device's configured origin. */
export function httpMetadataSource(
  metadataUrl: string,
  timeoutMs: number = limits.tufRequestTimeoutMs,
): MetadataSource {
  return {
    fetch: async (name, { bytesMax }) => {
      const response = await get(metadataUrl, name, timeoutMs);
      if (response.ok) return collect(chunksOf(response, name), bytesMax);
      await response.body?.cancel();
      // Object stores answer 403 for what is not there.
      if (response.status === 404 || response.status === 403) return undefined;
      throw new OperatingError('fetch-failed', `${name} answered ${response.status}`, {
        retryable: response.status >= 500,
      });
    },
  };
}

/** The body of a target; the deadline covers it whole. Throws `fetch-failed` or `fetch-timeout`. */
export async function httpBody(
  baseUrl: string,
  path: string,
  timeoutMs: number,
): Promise<AsyncIterable<Uint8Array>> {
  const response = await get(baseUrl, path, timeoutMs);
  if (response.ok) return chunksOf(response, path);
  await response.body?.cancel();
  throw new OperatingError('fetch-failed', `${path} answered ${response.status}`);
}

async function get(baseUrl: string, path: string, timeoutMs: number): Promise<Response> {
  const url = `${baseUrl}${baseUrl.endsWith('/') ? '' : '/'}${path}`;
  return withCause(path, () =>
    fetch(url, {
      redirect: 'error',
      // Lengths and hashes are those of the stored bytes.
      headers: { 'accept-encoding': 'identity' },
      signal: AbortSignal.timeout(timeoutMs),
    }),
  );
}

/** A transfer that breaks off or comes too slowly fails here, in the catalogue's words. */
async function* chunksOf(response: Response, path: string): AsyncIterable<Uint8Array> {
  const chunks = (response.body as AsyncIterable<Uint8Array> | null)?.[Symbol.asyncIterator]();
  if (chunks === undefined) return;
  try {
    for (;;) {
      const next = await withCause(path, () => chunks.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await chunks.return?.().catch(() => undefined);
  }
}

async function withCause<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof OperatingError) throw cause;
    const isLate = cause instanceof Error && cause.name === 'TimeoutError';
    const code = isLate ? 'fetch-timeout' : 'fetch-failed';
    throw new OperatingError(code, `${path} could not be fetched`, { cause, retryable: true });
  }
}
