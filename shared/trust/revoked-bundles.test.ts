import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Digest } from '../core/ids.ts';
import { type Lineage, revokedBundles } from './revoked-bundles.ts';

const digest = (n: number): Digest => `sha256:${n.toString(16).padStart(64, '0')}` as Digest;
const blob = (n: number): Digest => digest(1_000 + n);

/** Bundle `n` has a blob of its own and shares one with everybody. */
const known = (...parents: readonly (number | undefined)[]): ReadonlyMap<Digest, Lineage> =>
  new Map(
    parents.map((parent, n) => [
      digest(n),
      { blobs: [blob(n), blob(99)], parent: parent === undefined ? undefined : digest(parent) },
    ]),
  );

const revoked = (listed: readonly Digest[], bundles: ReadonlyMap<Digest, Lineage>) =>
  [...revokedBundles(new Set(listed), bundles)].sort();

const line = known(undefined, 0, 1, 2);

test('when a bundle is listed, it and all that descend from it are revoked, in any order of knowing', () => {
  const reversed = new Map([...line].reverse());
  for (const bundles of [line, reversed]) {
    expect(revoked([digest(1)], bundles)).toEqual([1, 2, 3].map(digest));
  }
});

test('when a blob is listed, whoever has it and what descends from that is revoked', () => {
  expect(revoked([blob(2)], line)).toEqual([2, 3].map(digest));
  expect(revoked([blob(99)], line)).toEqual([0, 1, 2, 3].map(digest));
});

test('when the listed ancestor is not known itself, its children are revoked by its name', () => {
  expect(revoked([digest(7)], known(undefined, 7, 1))).toEqual([1, 2].map(digest));
});

test('when a chain leads out of what is known, nothing beyond it is guessed', () => {
  expect(revoked([digest(7)], known(undefined, 8, 1))).toEqual([]);
});

test('when claimed parents form a ring, it ends', () => {
  expect(revoked([digest(0)], known(2, 0, 1))).toEqual([0, 1, 2].map(digest));
});

test('for any lineage, a bundle is revoked exactly when a walk up its parents meets what is listed', () => {
  const forest = fc.array(fc.option(fc.nat({ max: 20 }), { nil: undefined }), { maxLength: 15 });
  fc.assert(
    fc.property(
      forest,
      fc.array(fc.nat({ max: 20 })),
      fc.array(fc.nat({ max: 20 })),
      (up, a, b) => {
        const bundles = known(...up);
        const listed = new Set([...a.map(digest), ...b.map(blob)]);
        const isMet = (from: Digest): boolean => {
          const seen = new Set<Digest>();
          for (let at: Digest | undefined = from; at !== undefined && !seen.has(at); ) {
            seen.add(at);
            const lineage = bundles.get(at);
            if (listed.has(at) || lineage?.blobs.some((one) => listed.has(one)) === true)
              return true;
            at = lineage?.parent;
          }
          return false;
        };
        const expected = [...bundles.keys()].filter(isMet).sort();
        expect(revoked([...listed], bundles)).toEqual(expected);
      },
    ),
  );
});
