import { Worker } from 'node:worker_threads';
import { builtFile } from '../../adapters/built-file.ts';
import { limits } from '../../contracts/limits.ts';
import type { HostLine, HostListener, HostReply, HostRequest } from '../host-messages.ts';
import { workerShare } from './worker-share.ts';

const end: HostRequest = { kind: 'end' };

/** Starts the thread that hosts one session. The session shares this process's memory, so no limit is judged here. */
export function startWorker(listener: HostListener): HostLine {
  const name = {};
  workerShare.enter(name);
  const worker = new Worker(builtFile(import.meta.url, './worker-entry.ts'), {
    // Neither a test runner's loader nor an inspector belongs into an inference thread.
    execArgv: [],
    env: {},
  });
  worker.on('message', (reply: HostReply) => listener.reply(reply));
  worker.on('error', (error: Error) => listener.ended('session-lost', error.message));
  worker.on('messageerror', (error: Error) => listener.ended('session-lost', error.message));
  let isGone = false;
  worker.on('exit', (code) => {
    isGone = true;
    workerShare.leave(name);
    listener.ended('session-lost', `worker ended with code ${code}`);
  });
  return {
    send: (request, transfer) => worker.postMessage(request, transfer),
    end: async () => {
      if (!isGone) await endWithin(worker, limits.workerEndTimeoutMs);
    },
    residentBytes: async () => workerShare.residentBytes(),
  };
}

/**
 * Never `terminate`: it stops JavaScript under a native call, whose return then throws where nothing catches and aborts
 * the whole process. Asked to end, the thread ends after its call; a hung one stays until this process is killed.
 */
async function endWithin(worker: Worker, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve());
  });
  worker.postMessage(end);
  await Promise.race([ended, late]);
  clearTimeout(timer);
}
