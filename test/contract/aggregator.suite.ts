import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Aggregator, SumPlan } from '../../fleet-server/ports/aggregator.ts';
import { encodeUpdate } from '../../shared/codec/federated-update.ts';
import type { RoundId } from '../../shared/core/ids.ts';
import { createPrng, shuffled } from '../../shared/core/prng.ts';

export interface AggregatorWorld {
  readonly aggregator: Aggregator;
  end(): Promise<void>;
}

/** More than one block of values, and a number of them that no vector divides. */
export const aggregatorPlan: SumPlan = {
  round: 'rnd-00112233445566aa' as RoundId,
  bundle: `sha256:${'5c'.repeat(32)}`,
  elements: [17_001, 5],
  clipNorm: 2,
};

/** An update with the norm asked for, drawn from the seed. */
export function drawUpdate(seed: string, norm: number, plan = aggregatorPlan): Uint8Array {
  const prng = createPrng(seed);
  const tensors = plan.elements.map((count) =>
    Float32Array.from({ length: count }, () => prng.nextUnit() - 0.5),
  );
  const squares = tensors.flatMap((tensor) => [...tensor]).reduce((sum, x) => sum + x * x, 0);
  const factor = norm / Math.sqrt(squares);
  return encodeUpdate(
    plan,
    tensors.map((tensor) => tensor.map((value) => value * factor)),
  );
}

const bitsOf = (mean: Float32Array): string => Buffer.from(mean.buffer).toString('base64');

export function describeAggregator(name: string, create: () => Promise<AggregatorWorld>): void {
  describe(`Aggregator: ${name}`, () => {
    let world: AggregatorWorld;
    beforeAll(async () => {
      world = await create();
    });
    afterAll(() => world.end());

    const meanOf = async (
      list: readonly { readonly seed: string; readonly votes: number }[],
    ): Promise<Float32Array> => {
      const sum = await world.aggregator.open(aggregatorPlan);
      for (const { seed, votes } of list) {
        const added = await sum.add(drawUpdate(seed, 1.9), votes);
        expect(added).toMatchObject({ ok: true });
      }
      const mean = await sum.mean();
      await sum.close();
      return mean;
    };

    it('when the order of the updates changes, gives the same mean bit for bit', async () => {
      const list = Array.from({ length: 90 }, (_, i) => ({ seed: `u${i}`, votes: 1 + (i % 256) }));
      const first = bitsOf(await meanOf(list));
      expect(bitsOf(await meanOf(shuffled(list, createPrng('other'))))).toBe(first);
    });

    it('when one device has twice the votes, weighs twice', async () => {
      const double = await meanOf([
        { seed: 'a', votes: 200 },
        { seed: 'b', votes: 100 },
      ]);
      const a = await meanOf([{ seed: 'a', votes: 1 }]);
      const b = await meanOf([{ seed: 'b', votes: 1 }]);
      // A unit is 2^-20 here; one vote of 256 rounds to 2^-13.
      double.forEach((value, at) => {
        expect(Math.abs(value - (2 * a[at]! + b[at]!) / 3)).toBeLessThan(1.3e-4);
      });
    });

    it('when an update is refused, keeps the sum as it was', async () => {
      const sum = await world.aggregator.open(aggregatorPlan);
      await sum.add(drawUpdate('good', 1.9), 256);
      const before = bitsOf(await sum.mean());
      const withLast = (value: number): Uint8Array => {
        const bytes = drawUpdate('poison', 1);
        new DataView(bytes.buffer).setFloat32(bytes.length - 4, value, true);
        return bytes;
      };
      const refused = async (update: Uint8Array): Promise<string> => {
        const added = await sum.add(update, 256);
        return added.ok ? 'counted' : added.error.code;
      };
      expect(await refused(drawUpdate('far', 2.1))).toBe('update-norm-exceeded');
      expect(await refused(withLast(3e38))).toBe('update-norm-exceeded');
      expect(await refused(withLast(NaN))).toBe('update-not-finite');
      expect(await refused(withLast(-Infinity))).toBe('update-not-finite');
      expect(await refused(drawUpdate('short', 1).subarray(4))).toBe('update-malformed');
      expect(bitsOf(await sum.mean())).toBe(before);
      await sum.close();
    });

    it('when an update has exactly the clip norm, counts it and says its norm', async () => {
      const sum = await world.aggregator.open(aggregatorPlan);
      const added = await sum.add(drawUpdate('edge', 2), 1);
      expect(added.ok && added.value.norm).toBeCloseTo(2, 4);
      await sum.close();
    });

    it('when nothing was added, gives zeros; and rounds do not mix', async () => {
      const empty = await world.aggregator.open(aggregatorPlan);
      const other = await world.aggregator.open({ ...aggregatorPlan, elements: [4] });
      const values = Float32Array.of(1, 0, 0, -1);
      const update = encodeUpdate({ ...aggregatorPlan, elements: [4] }, [values]);
      expect((await other.add(update, 256)).ok).toBe(true);
      expect((await empty.mean()).every((value) => value === 0)).toBe(true);
      expect([...(await other.mean())]).toEqual([1, 0, 0, -1]);
      await empty.close();
      await other.close();
    });
  });
}
