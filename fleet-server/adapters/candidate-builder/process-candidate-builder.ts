import { spawn } from 'node:child_process';
import { builtFile } from '../../../shared/adapters/built-file.ts';
import { residentBytesOf } from '../../../shared/adapters/proc-file.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import type {
  BuiltCandidate,
  CandidateBuilder,
  CandidateRefusal,
  CandidateRequest,
} from '../../ports/candidate-builder.ts';
import { JobFolder } from './job-folder.ts';

export interface ProcessBuilderOptions {
  readonly blobs: Pick<BlobStore, 'read' | 'put'>;
  /** Job folders are made and removed in here. */
  readonly folder: string;
  /** The workshop's program; the built one of this house when absent. */
  readonly program?: URL;
  readonly memoryBytesMax?: number;
  readonly timeoutMs?: number;
}

/** The end of what the process wrote to stderr, kept for the failure's text. */
const lastWordsCharsMax = 2_000;

/**
 * Runs the workshop as a disposable child: no environment, no inherited files but its job folder,
 * SIGKILL at its limits.
 */
export class ProcessCandidateBuilder implements CandidateBuilder {
  readonly #options: ProcessBuilderOptions;

  constructor(options: ProcessBuilderOptions) {
    this.#options = options;
  }

  async build(request: CandidateRequest): Promise<Result<BuiltCandidate, CandidateRefusal>> {
    const { blobs, folder: parentFolder } = this.#options;
    const folder = await JobFolder.create({ parentFolder, blobs }, request);
    try {
      await this.#run(folder.path);
      const outcome = await folder.outcome();
      if (outcome === undefined) throw failed('the process left no outcome');
      if (outcome.kind === 'refused') {
        const { code, message, evidence } = outcome;
        return err({ code, message, evidence: evidence ?? null });
      }
      await folder.keepCandidate(outcome.digest);
      return ok({ digest: outcome.digest, evidence: outcome.evidence });
    } finally {
      await folder.remove();
    }
  }

  /** Resolves when the program ended by itself with code 0. */
  #run(folder: string): Promise<void> {
    const { memoryBytesMax = limits.candidateMemoryBytesMax } = this.#options;
    const { timeoutMs = limits.candidateTimeoutMs } = this.#options;
    const program =
      this.#options.program ??
      builtFile(import.meta.url, '../../../firmware-bundles/evaluate/candidate-entry.ts');
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [program.pathname, folder], {
        cwd: folder,
        env: {},
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let lastWords = '';
      let verdict: string | undefined;
      const kill = (reason: string): void => {
        verdict ??= reason;
        child.kill('SIGKILL');
      };
      const deadline = setTimeout(() => kill(`no end after ${timeoutMs} ms`), timeoutMs);
      const watch = setInterval(() => {
        const resident = child.pid === undefined ? undefined : residentBytesOf(child.pid);
        if (resident !== undefined && resident > memoryBytesMax) {
          kill(`${resident} bytes resident, ${memoryBytesMax} are allowed`);
        }
      }, limits.memoryPollMs);
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        lastWords = (lastWords + text).slice(-lastWordsCharsMax);
      });
      const end = (reason: string | undefined): void => {
        clearTimeout(deadline);
        clearInterval(watch);
        if (reason === undefined) resolve();
        else reject(failed(`${reason}: ${lastWords}`));
      };
      child.once('error', (error) => end(error.message));
      child.once('close', (code, signal) => {
        end(verdict ?? (code === 0 ? undefined : `ended with ${code ?? signal ?? 'nothing'}`));
      });
    });
  }
}

const failed = (message: string): OperatingError =>
  new OperatingError('candidate-build-failed', message, { retryable: true });
