import { parentPort } from 'node:worker_threads';
import { invariant } from '../../../shared/core/invariant.ts';
import type { SumReply, SumRequest } from './aggregator-messages.ts';
import { KernelSum } from './kernel-sum.ts';

/** Body of the summing thread: a hundred megabytes of updates never hold up a heartbeat of the main thread. */
const port = parentPort;
invariant(port !== null, 'the aggregator runs in a worker thread');

const sums = new Map<number, KernelSum>();

function answer(request: SumRequest): SumReply {
  switch (request.kind) {
    case 'open':
      sums.set(request.sum, new KernelSum(request.plan));
      return { kind: 'done' };
    case 'add':
      return { kind: 'added', result: sumOf(request.sum).add(request.update, request.votes) };
    case 'mean':
      return { kind: 'mean', mean: sumOf(request.sum).mean() };
    case 'close':
      sums.delete(request.sum);
      return { kind: 'done' };
  }
}

function sumOf(id: number): KernelSum {
  const sum = sums.get(id);
  invariant(sum !== undefined, `sum ${id} is not open`);
  return sum;
}

port.on('message', (request: SumRequest) => {
  const reply = answer(request);
  port.postMessage(reply, reply.kind === 'mean' ? [reply.mean.buffer as ArrayBuffer] : []);
});
