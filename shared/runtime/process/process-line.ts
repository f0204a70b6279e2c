import { type ChildProcess, fork } from 'node:child_process';
import { builtFile } from '../../adapters/built-file.ts';
import { birthOf, residentBytesOf } from '../../adapters/proc-file.ts';
import { limits } from '../../contracts/limits.ts';
import { OperatingError } from '../../core/operating-error.ts';
import type { SessionLimits } from '../../ports/inference-runtime.ts';
import type { HostLine, HostListener, HostReply } from '../host-messages.ts';
import { TrialLease } from './trial-lease.ts';
import type { TrialObserver } from './trial-observer.ts';

export interface StartProcess {
  readonly limits: SessionLimits;
  readonly observer: TrialObserver | undefined;
}

/** What a driver or the dynamic linker needs; everything else of the agent's environment may be a secret. */
const passedEnvironment = [
  'PATH',
  'HOME',
  'TMPDIR',
  'LD_LIBRARY_PATH',
  'VK_DRIVER_FILES',
  'VK_ICD_FILENAMES',
  'XDG_RUNTIME_DIR',
];

const stderrCharsMax = 1000;

/** Starts the disposable process that hosts one session. Throws `spawn-failed`. */
export async function startProcess(
  options: StartProcess,
  listener: HostListener,
): Promise<HostLine> {
  const child = fork(builtFile(import.meta.url, './process-entry.ts'), [], {
    serialization: 'advanced',
    execArgv: [],
    env: Object.fromEntries(
      passedEnvironment.flatMap((name) => {
        const value = process.env[name];
        return value === undefined ? [] : [[name, value]];
      }),
    ),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const pid = await spawned(child);
  const trial = { pid, birth: birthOf(pid) ?? '' };
  const { observer } = options;
  const { memoryBytesMax, loadTimeoutMs, runTimeoutMs } = options.limits;
  observer?.started(trial, {
    memoryBytesMax,
    dueInMs: loadTimeoutMs + limits.trialDeadlineGraceMs,
  });
  const lease = new TrialLease({
    runTimeoutMs,
    monotonicMs: () => performance.now(),
    tell: (dueInMs) => observer?.due?.(trial, dueInMs),
  });

  // Where a supervisor lives it looks as often; this look is for whoever has none, and for the moment of the load.
  let isOverLimit = false;
  const judgeMemory = (): void => {
    if ((residentBytesOf(pid) ?? 0) <= memoryBytesMax) return;
    isOverLimit = true;
    child.kill('SIGKILL');
  };
  const poll = setInterval(() => {
    judgeMemory();
    lease.look();
  }, limits.memoryPollMs);
  const gone = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      clearInterval(poll);
      observer?.ended(trial);
      // The observer's word was sent before its kill; this turn of the loop reads it.
      setImmediate(() => {
        const killedFor = isOverLimit ? 'memory-limit' : observer?.killedFor?.(trial);
        const how = signal === null ? `code ${code ?? '?'}` : signal;
        if (killedFor === 'memory-limit') listener.ended(killedFor, overLimit(memoryBytesMax));
        else if (killedFor === undefined) {
          listener.ended('session-lost', `process ended with ${how}${lastWords()}`);
        } else listener.ended(killedFor, 'it was ended at its deadline');
        resolve();
      });
    });
  });
  const lastWords = keepLastWords(child);
  child.on('message', (message) => {
    const reply = message as HostReply;
    // A small model loads between two looks; it is not open before one was taken.
    if (reply.kind === 'loaded') judgeMemory();
    if (reply.kind === 'loaded' || reply.kind === 'load-refused') lease.loaded();
    else lease.answered();
    if (!isOverLimit) listener.reply(reply);
  });
  // A failed send means that the process is going; its exit tells how.
  child.on('error', () => undefined);
  return {
    send: (request) => {
      if (!child.connected) return;
      if (request.kind === 'run') lease.sent();
      child.send(request);
    },
    // Also when asked: a trial has nothing to save, and SIGKILL needs no cooperation.
    end: async () => {
      child.kill('SIGKILL');
      await gone;
    },
    residentBytes: async () => residentBytesOf(pid),
  };
}

function spawned(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child.pid ?? 0));
    child.once('error', (cause) =>
      reject(new OperatingError('spawn-failed', 'no process for the trial', { cause })),
    );
  });
}

/** The end of what the process wrote to stderr: native libraries explain an abort there and nowhere else. */
function keepLastWords(child: ChildProcess): () => string {
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-stderrCharsMax);
  });
  return () => (words === '' ? '' : `: ${words.trim()}`);
}

const overLimit = (bytesMax: number): string =>
  `resident memory passed ${Math.round(bytesMax / 1_048_576)} MiB`;
