import { describe, expect, it } from 'vitest';
import { inThreadAggregator } from '../../fleet-server/adapters/aggregator/in-thread-aggregator.ts';
import { WorkerAggregator } from '../../fleet-server/adapters/aggregator/worker-aggregator.ts';
import type { Aggregator } from '../../fleet-server/ports/aggregator.ts';
import { aggregatorPlan, describeAggregator, drawUpdate } from './aggregator.suite.ts';

describeAggregator('in-thread', async () => ({
  aggregator: inThreadAggregator,
  end: async () => undefined,
}));

describeAggregator('worker', async () => {
  const aggregator = new WorkerAggregator();
  return { aggregator, end: () => aggregator.stop() };
});

describe('the aggregators', () => {
  it('when given the same updates, give the same norms and the same mean bit for bit', async () => {
    const run = async (aggregator: Aggregator) => {
      const sum = await aggregator.open(aggregatorPlan);
      const norms = [];
      for (let i = 0; i < 270; i += 1) {
        norms.push(await sum.add(drawUpdate(`u${i}`, 0.01 * (i + 1)), 1 + (i % 256)));
      }
      return { norms, mean: await sum.mean() };
    };
    const worker = new WorkerAggregator();
    const [plain, kernel] = [await run(inThreadAggregator), await run(worker)];
    await worker.stop();
    expect(kernel.norms).toEqual(plain.norms);
    expect(new Uint8Array(kernel.mean.buffer)).toEqual(new Uint8Array(plain.mean.buffer));
    expect(plain.norms.filter((added) => !added.ok)).toHaveLength(70);
  });

  it('when the thread ends, refuses with aggregator-lost and starts anew on the next sum', async () => {
    const worker = new WorkerAggregator();
    const sum = await worker.open(aggregatorPlan);
    await worker.stop();
    await expect(sum.mean()).rejects.toMatchObject({ code: 'aggregator-lost' });
    const again = await worker.open(aggregatorPlan);
    expect((await again.add(drawUpdate('u', 1), 1)).ok).toBe(true);
    await worker.stop();
  });
});
