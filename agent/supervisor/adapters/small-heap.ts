import type { SmallProcess } from './node-process-host.ts';

/**
 * The agent mostly waits. A small young generation, compact code and two allocation arenas (glibc gives each thread
 * one of its own) cost it nothing; the optimizing compilers, whose own pages come into memory with their first use, are
 * kept for what runs often; and `gc` is there for what starting left behind.
 */
export const smallHeap: SmallProcess = {
  nodeFlags: [
    ...['--max-semi-space-size=1', '--optimize-for-size', '--max-lazy', '--expose-gc'],
    ...['--no-sparkplug', ...lateCompilers(process.versions.v8)],
  ],
  environment: { MALLOC_ARENA_MAX: '2' },
};

/** V8 12 counts calls where V8 11 (Node 20) counted bytes of code, and has one more compiler. */
function lateCompilers(v8: string): readonly string[] {
  return Number.parseInt(v8, 10) <= 11
    ? ['--interrupt-budget=1000000']
    : ['--no-maglev', '--invocation-count-for-turbofan=20000'];
}
