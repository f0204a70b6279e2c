import { limits } from '../../shared/contracts/limits.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Publisher } from './publisher.ts';

/** Publishes to a fleet server. The token goes to this origin and nowhere else: redirects are not followed. */
export class HttpPublisher implements Publisher {
  readonly #origin: string;
  readonly #token: string;

  constructor(options: { readonly origin: string; readonly token: string }) {
    this.#origin = options.origin.replace(/\/$/, '');
    this.#token = options.token;
  }

  async putBlob(name: string, digest: Digest, bytes: Uint8Array): Promise<'sent' | 'known'> {
    const path = `/v2/${name}/blobs/${digest}`;
    const head = await this.#send('HEAD', path);
    if (head.status === 200) return 'known';
    await this.#put(path, bytes, limits.tufTargetTimeoutMs);
    return 'sent';
  }

  async putFixed(name: string, bytes: Uint8Array): Promise<void> {
    await this.#put(`/tuf/targets/${name}`, bytes, limits.tufRequestTimeoutMs);
  }

  async putMetadata(name: string, bytes: Uint8Array): Promise<void> {
    await this.#put(`/tuf/${name}`, bytes, limits.tufTargetTimeoutMs);
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  async #put(path: string, bytes: Uint8Array, timeoutMs: number): Promise<void> {
    const response = await this.#send('PUT', path, { bytes, timeoutMs });
    const text = (await response.text()).slice(0, 4096);
    if (response.ok) return;
    const { code, message } = problemIn(text);
    throw new OperatingError(code, `${path} answered ${response.status}: ${message}`, {
      retryable: response.status >= 500,
    });
  }

  async #send(
    method: 'HEAD' | 'PUT',
    path: string,
    body: { readonly bytes?: Uint8Array; readonly timeoutMs?: number } = {},
  ): Promise<Response> {
    const { bytes, timeoutMs = limits.tufRequestTimeoutMs } = body;
    try {
      return await fetch(this.#origin + path, {
        method,
        redirect: 'error',
        headers: {
          authorization: `Bearer ${this.#token}`,
          'content-type': 'application/octet-stream',
        },
        signal: AbortSignal.timeout(timeoutMs),
        ...(bytes === undefined ? {} : { body: bytes.slice() }),
      });
    } catch (cause) {
      throw new OperatingError('fetch-failed', `${path} could not be sent`, {
        cause,
        retryable: true,
      });
    }
  }
}

/** The code and the words of a problem+json, or `fetch-failed` for an answer that is none. */
function problemIn(text: string): { readonly code: string; readonly message: string } {
  try {
    const { code, detail, title } = JSON.parse(text) as Record<string, unknown>;
    const words = typeof detail === 'string' ? detail : title;
    if (typeof code === 'string') {
      return { code, message: typeof words === 'string' ? words : code };
    }
  } catch {
    // Not JSON: a proxy answered.
  }
  return { code: 'fetch-failed', message: text.slice(0, 200) };
}
