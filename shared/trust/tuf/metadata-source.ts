import { concatBytes } from '../../core/bytes.ts';
import { OperatingError } from '../../core/operating-error.ts';
import type { Fetcher } from '../../ports/fetcher.ts';

/** The remote metadata folder: file names only, bounded bytes, absence told apart from failure. */
export interface MetadataSource {
  /**
   * The file, or `undefined` when the repository says that it has none (404, or 403 as object stores answer). Throws an
   * OperatingError: `fetch-failed`, `fetch-timeout`, `redirect-refused`, `response-too-large`.
   */
  fetch(name: string, options: { readonly bytesMax: number }): Promise<Uint8Array | undefined>;
}

export interface SourceOptions {
  readonly fetcher: Fetcher;
  /** Path of the metadata folder, with a slash at its end, such as `/tuf/`. */
  readonly basePath: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** A source over the Fetcher port, whose adapter knows the origin. */
export function createMetadataSource(options: SourceOptions): MetadataSource {
  const { fetcher, basePath, timeoutMs, signal } = options;
  return {
    fetch: async (name, { bytesMax }) => {
      const response = await fetcher.fetch({
        method: 'GET',
        path: basePath + name,
        bytesMax,
        timeoutMs,
        ...(signal === undefined ? {} : { signal }),
      });
      if (response.status === 200) return collect(response.body, bytesMax);
      response.cancel();
      if (response.status === 404 || response.status === 403) return undefined;
      throw new OperatingError('fetch-failed', `${name} answered ${response.status}`, {
        retryable: response.status >= 500 || response.status === 429,
      });
    },
  };
}

/** Endless data: stops at the bound even where the source below forgot to. */
export async function collect(
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > bytesMax) {
      throw new OperatingError('response-too-large', `more than ${bytesMax} bytes`);
    }
    parts.push(part);
  }
  return concatBytes(parts);
}
