import { performance } from 'node:perf_hooks';
import { codeOf } from '../core/operating-error.ts';
import type { HostReply, HostRequest } from './host-messages.ts';
import { type NativeSession, nativeVersion, openNativeSession } from './native-session.ts';

type WorkRequest = Exclude<HostRequest, { kind: 'end' }>;

export type PostReply = (reply: HostReply, transfer: readonly ArrayBuffer[]) => void;

/**
 * The host's side of the line: takes requests one after another and answers each, in order.
 * Returns the function to feed requests into.
 */
export function serveSession(post: PostReply, end: () => void): (request: HostRequest) => void {
  const waiting: WorkRequest[] = [];
  let session: NativeSession | undefined;
  let isServing = false;

  const load = async (request: HostRequest & { kind: 'load' }): Promise<void> => {
    try {
      session = await openNativeSession(request.model, request.options);
      const { inputs, outputs } = session;
      post({ kind: 'loaded', inputs, outputs, runtimeVersion: nativeVersion() }, []);
    } catch (error) {
      const code =
        codeOf(error) === 'provider-unavailable' ? 'provider-unavailable' : 'model-load-failed';
      post({ kind: 'load-refused', code, message: messageOf(error) }, []);
    }
  };

  const run = async (request: HostRequest & { kind: 'run' }): Promise<void> => {
    try {
      if (session === undefined) throw new Error('run before load');
      const startedMs = performance.now();
      const tensors = await session.run(request.tensors);
      const runMs = performance.now() - startedMs;
      const transfer = tensors.map(({ bytes }) => bytes.buffer as ArrayBuffer);
      post({ kind: 'ran', tensors, runMs }, transfer);
    } catch (error) {
      post({ kind: 'run-failed', message: messageOf(error) }, []);
    }
  };

  // One at a time: the native call blocks the thread, so a second one would only be timed with the first inside it.
  const serve = async (): Promise<void> => {
    isServing = true;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await (next.kind === 'load' ? load(next) : run(next));
    }
    isServing = false;
  };

  return (request) => {
    if (request.kind === 'end') {
      waiting.length = 0;
      end();
      return;
    }
    waiting.push(request);
    if (!isServing) void serve();
  };
}

const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, 500);
