import type { ErrorCode } from '../../shared/contracts/error-codes.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { codeOf, OperatingError } from '../../shared/core/operating-error.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import type { Fetcher, FetchResponse } from '../../shared/ports/fetcher.ts';
import type { Random } from '../../shared/ports/random.ts';
import { decideBackoffMs } from '../core/download/backoff.ts';
import { blobPath } from '../core/store/store-path.ts';
import type { ByteBudget } from './byte-budget.ts';
import { PartFile } from './part-file.ts';
import { TransferWatch } from './transfer-watch.ts';

export interface DownloadWorld {
  readonly disk: DeviceDisk;
  readonly fetcher: Fetcher;
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: ByteBudget;
}

export interface BlobRequest {
  readonly digest: Digest;
  /** Signed size. */
  readonly bytes: number;
  /** Path below the origin, such as `/v2/<name>/blobs/<digest>`. */
  readonly path: string;
  readonly bearer?: string;
  /** sha256 of each 1 MiB chunk, hexadecimal, from the signed bundle. */
  readonly chunks?: readonly string[];
  /** All tries together. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface BlobFailure {
  readonly code: ErrorCode;
  /** Numbers behind the code: `neededBytes` and `freeBytes`, `status`, `usedBytes` and `capBytes`, `tries`. */
  readonly facts: Readonly<Record<string, number>>;
}

export interface DownloadedBlob {
  /** Body bytes that came over the network. */
  readonly fetchedBytes: number;
  /** Bytes an earlier attempt had left on disk. */
  readonly resumedBytes: number;
}

/** How one request ended. `again` may be tried once more; `corrupt`: the origin sent wrong bytes. */
type Attempt =
  | { readonly kind: 'complete' }
  | { readonly kind: 'again'; readonly code: ErrorCode; readonly retryAfterMs?: number }
  | { readonly kind: 'corrupt' }
  | { readonly kind: 'over'; readonly failure: BlobFailure };

/**
 * Fetches one blob until it stands, verified, under its final name, or says why not. What is verified on the way stays
 * on disk for the next attempt. Expected endings are results; a failing disk (other than a full one) throws.
 */
export async function downloadBlob(
  world: DownloadWorld,
  request: BlobRequest,
): Promise<Result<DownloadedBlob, BlobFailure>> {
  const download = new BlobDownload(world, request);
  try {
    return await download.run();
  } catch (error) {
    if (codeOf(error) !== 'disk-full') throw error;
    return err(await diskFull(world.disk, request.bytes));
  } finally {
    await world.budget.settle();
  }
}

class BlobDownload {
  readonly #world: DownloadWorld;
  readonly #request: BlobRequest;
  readonly #deadlineMs: number;
  #fetchedBytes = 0;

  constructor(world: DownloadWorld, request: BlobRequest) {
    this.#world = world;
    this.#request = request;
    this.#deadlineMs = world.clock.monotonicMs() + request.timeoutMs;
  }

  async run(): Promise<Result<DownloadedBlob, BlobFailure>> {
    const { disk } = this.#world;
    const { digest, bytes, chunks } = this.#request;
    const present = await disk.size(blobPath(digest));
    if (present === bytes) return ok({ fetchedBytes: 0, resumedBytes: 0 });
    if (present !== undefined) await disk.remove(blobPath(digest));
    const part = await PartFile.open({ disk, digest, bytes, chunks });
    const resumedBytes = part.keptBytes;
    const neededBytes = bytes - resumedBytes;
    if ((await disk.freeBytes()) < neededBytes + limits.diskReserveBytes) {
      return err(await diskFull(disk, neededBytes));
    }
    const failure = await this.#untilVerified(part);
    return failure === undefined
      ? ok({ fetchedBytes: this.#fetchedBytes, resumedBytes })
      : err(failure);
  }

  /** Undefined when the blob stands under its final name. */
  async #untilVerified(part: PartFile): Promise<BlobFailure | undefined> {
    let failures = 0;
    let corruptions = 0;
    for (;;) {
      const ended = this.#mustEnd();
      if (ended !== undefined) return ended;
      const before = part.keptBytes;
      const attempt = await this.#attempt(part);
      if (attempt.kind === 'over') return attempt.failure;
      const isWrong =
        attempt.kind === 'corrupt' || (attempt.kind === 'complete' && !(await part.finish()));
      if (attempt.kind === 'complete' && !isWrong) return undefined;
      if (isWrong) corruptions += 1;
      // Progress forgives what was before: a long blob over a bad link fails often and still arrives.
      failures = part.keptBytes > before ? 1 : failures + 1;
      if (corruptions >= limits.blobCorruptionsMax) return failed('blob-digest-mismatch', {});
      if (failures >= limits.blobTriesMax) {
        return failed(attempt.kind === 'again' ? attempt.code : 'blob-unavailable', {
          tries: failures,
        });
      }
      await this.#backOff(failures, attempt.kind === 'again' ? attempt.retryAfterMs : undefined);
    }
  }

  #mustEnd(): BlobFailure | undefined {
    if (this.#request.signal?.aborted === true) return failed('fetch-cancelled', {});
    if (this.#world.clock.monotonicMs() >= this.#deadlineMs) {
      return failed('download-deadline', { fetchedBytes: this.#fetchedBytes });
    }
    const { budget } = this.#world;
    return budget.isUsedUp ? capReached(budget) : undefined;
  }

  async #backOff(failures: number, retryAfterMs: number | undefined): Promise<void> {
    const { clock, random } = this.#world;
    const waitMs = decideBackoffMs(failures, random.unit(), retryAfterMs);
    const untilMs = Math.min(this.#deadlineMs, clock.monotonicMs() + waitMs);
    await clock.sleepUntil(untilMs, this.#request.signal);
  }

  async #attempt(part: PartFile): Promise<Attempt> {
    if (part.isComplete) return { kind: 'complete' };
    const watch = new TransferWatch(this.#world.clock, this.#request.signal);
    try {
      const response = await this.#ask(part, watch.signal);
      const refused = await this.#judgeHead(response, part);
      if (refused !== undefined) {
        response.cancel();
        return refused;
      }
      return await this.#receive(response, part, watch);
    } catch (error) {
      return this.#judgeError(error, watch);
    } finally {
      watch.stop();
      await part.pause();
    }
  }

  #ask(part: PartFile, signal: AbortSignal): Promise<FetchResponse> {
    const { path, bearer, bytes } = this.#request;
    return this.#world.fetcher.fetch({
      method: 'GET',
      path,
      ...(bearer === undefined ? {} : { bearer }),
      ...(part.keptBytes === 0 ? {} : { rangeFromByte: part.keptBytes }),
      // A 200 in answer to a range brings the whole.
      bytesMax: bytes,
      timeoutMs: Math.max(1, this.#deadlineMs - this.#world.clock.monotonicMs()),
      signal,
    });
  }

  /** Undefined when the body may be read from where the part file stands. */
  async #judgeHead(response: FetchResponse, part: PartFile): Promise<Attempt | undefined> {
    const { status, retryAfterMs } = response;
    if (status === 200) {
      if (part.keptBytes > 0) await part.restart();
      return undefined;
    }
    // The Fetcher has compared it too; bytes in the wrong place are worth a second look.
    if (status === 206 && response.rangeFromByte === part.keptBytes) return undefined;
    if (status === 206) return { kind: 'over', failure: failed('range-mismatch', { status }) };
    if (status === 416) {
      await part.restart();
      return { kind: 'again', code: 'range-mismatch' };
    }
    const isBusy = status >= 500 || status === 408 || status === 429;
    if (!isBusy) return { kind: 'over', failure: failed('blob-refused', { status }) };
    return {
      kind: 'again',
      code: 'blob-unavailable',
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  }

  async #receive(response: FetchResponse, part: PartFile, watch: TransferWatch): Promise<Attempt> {
    const { budget } = this.#world;
    try {
      for await (const piece of response.body) {
        watch.moved(piece.length);
        this.#fetchedBytes += piece.length;
        const isPaid = await budget.charge(piece.length);
        const accepted = await part.accept(piece);
        if (accepted !== 'kept') return { kind: 'corrupt' };
        if (!isPaid) return { kind: 'over', failure: capReached(budget) };
      }
    } finally {
      response.cancel();
    }
    return part.isComplete ? { kind: 'complete' } : { kind: 'again', code: 'fetch-failed' };
  }

  /** Only what the Fetcher throws is judged; the rest (disk, bugs) goes its own way. */
  #judgeError(error: unknown, watch: TransferWatch): Attempt {
    if (!(error instanceof OperatingError)) throw error;
    if (watch.isTooSlow) return { kind: 'again', code: 'download-too-slow' };
    const code = fetchCodes.find((known) => known === error.code);
    if (code === undefined) throw error;
    // Called off by the caller, or out of time: the loop looks at both before it asks again.
    if (code === 'fetch-cancelled' || error.retryable) return { kind: 'again', code };
    return { kind: 'over', failure: failed(code, {}) };
  }
}

const fetchCodes = [
  'fetch-failed',
  'fetch-timeout',
  'fetch-cancelled',
  'connect-failed',
  'redirect-refused',
  'response-too-large',
  'range-mismatch',
  'content-encoding-refused',
] as const satisfies readonly ErrorCode[];

const failed = (code: ErrorCode, facts: BlobFailure['facts']): BlobFailure => ({ code, facts });

const capReached = (budget: ByteBudget): BlobFailure =>
  failed('byte-cap-reached', { usedBytes: budget.usedBytes, capBytes: budget.capBytes ?? 0 });

async function diskFull(disk: DeviceDisk, neededBytes: number): Promise<BlobFailure> {
  return failed('disk-full', {
    neededBytes,
    freeBytes: await disk.freeBytes(),
    reserveBytes: limits.diskReserveBytes,
  });
}
