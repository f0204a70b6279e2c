import { expect, test } from 'vitest';
import { withConformance } from '../../support/tuf-conformance-client.ts';
import type { TufRepository } from '../../support/tuf-repository.ts';
import { ed25519Signer } from '../../support/tuf-signers.ts';

/** Keys listed, threshold, keys that sign: all by number. */
interface KeyState {
  readonly keys: readonly number[];
  readonly threshold: number;
  readonly sigs: readonly number[];
}
const state = (keys: readonly number[], threshold: number, sigs: readonly number[]): KeyState => ({
  keys,
  threshold,
  sigs,
});

const five = [0, 1, 2, 3, 4];
const fiveWithOneRotated = [0, 1, 3, 4, 5];
const nextFive = [5, 6, 7, 8, 9];

const acceptedRoots: readonly [string, readonly KeyState[]][] = [
  ['1-of-1-key-rotation', [state([1], 1, [1]), state([2], 1, [2, 1]), state([2], 1, [2])]],
  [
    '1-of-1-key-rotation-unused-signatures',
    [state([1], 1, [3, 1, 4]), state([2], 1, [3, 2, 1, 4]), state([2], 1, [3, 2, 4])],
  ],
  [
    '3-of-5-sign-with-different-keycombos',
    [
      [0, 2, 4],
      [0, 4, 1],
      [0, 1, 3],
      [0, 1, 3],
    ].map((sigs) => state(five, 3, sigs)),
  ],
  ['3-of-5-one-key-rotated', [state(five, 3, [0, 2, 4]), state(fiveWithOneRotated, 3, [0, 4, 1])]],
  [
    '3-of-5-one-key-rotated-with-intermediate-step',
    [
      state(five, 3, [0, 2, 4]),
      state(fiveWithOneRotated, 3, [0, 2, 4, 5]),
      state(fiveWithOneRotated, 3, [0, 4, 5]),
    ],
  ],
  [
    '3-of-5-all-keys-rotated-with-intermediate-step',
    [
      state(five, 3, [0, 2, 4]),
      state(nextFive, 3, [0, 2, 4, 5, 6, 7]),
      state(nextFive, 3, [5, 6, 7]),
    ],
  ],
  ['1-of-3-threshold-increase-to-2-of-3', [state([1, 2, 3], 1, [1]), state([1, 2, 3], 2, [1, 2])]],
  [
    '2-of-3-threshold-decrease-to-1-of-3',
    [state([1, 2, 3], 2, [1, 2]), state([1, 2, 3], 1, [1, 2]), state([1, 2, 3], 1, [1])],
  ],
  ['1-of-2-threshold-increase-to-2-of-2', [state([1], 1, [1]), state([1, 2], 2, [1, 2])]],
];

const refusedRoots: readonly [string, readonly KeyState[]][] = [
  ['1-of-1-fail-not-signed-with-old-key', [state([1], 1, [1]), state([2], 1, [2, 3, 4])]],
  ['1-of-1-fail-not-signed-with-new-key', [state([1], 1, [1]), state([2], 1, [1, 3, 4])]],
  [
    '3-of-5-fails-not-signed-with-3-new-keys',
    [state(five, 3, [0, 2, 4]), state(fiveWithOneRotated, 3, [0, 2, 4])],
  ],
  [
    '3-of-5-fails-not-signed-with-3-old-keys',
    [state(five, 3, [0, 2, 4]), state(fiveWithOneRotated, 3, [0, 4, 5])],
  ],
  [
    '1-of-3-bump-to-2-of-3-fails-new-threshold-not-reached',
    [state([1, 2, 3], 1, [1]), state([1, 2, 3], 2, [2])],
  ],
  [
    '2-of-3-decrease-to-1-of-3-fails-old-threshold-not-reached',
    [state([1, 2, 3], 2, [1, 2]), state([1, 2, 3], 1, [1])],
  ],
];

const otherRoles: readonly [string, KeyState, boolean][] = [
  ['1-of-1-key-rotation', state([2], 1, [2]), true],
  ['1-of-1-key-rotation-unused-signatures', state([1], 1, [3, 1, 4]), true],
  ['1-of-1-fail-not-signed-with-new-key', state([2], 1, [1, 3, 4]), false],
  ['3-of-5-one-signature-wrong', state(fiveWithOneRotated, 3, [0, 2, 4]), false],
  ['3-of-5-one-signature-missing', state(fiveWithOneRotated, 3, [0, 4]), false],
  ['3-of-5-sign-first-combo', state(five, 3, [0, 2, 4]), true],
  ['3-of-5-sign-second-combo', state(five, 3, [0, 4, 1]), true],
  ['3-of-5-sign-third-combo', state(five, 3, [0, 1, 3]), true],
  ['3-of-5-sign-fourth-combo', state(five, 3, [1, 2, 3]), true],
  ['3-of-5-sign-fifth-combo', state(five, 3, [2, 3, 4]), true],
];

test.each(acceptedRoots)(
  'given roots that rotate as in %s, all are walked [root_rotation]',
  (_, roots) =>
    withConformance(async ({ repo, client }) => {
      publishRoots(repo, roots);
      await client.init(repo.latest('root', 1));
      expect(await client.refresh()).toBe(0);
      expect(await client.trusted('root')).toEqual(Buffer.from(repo.latest('root') ?? []));
    }),
);

test.each(refusedRoots)(
  'given roots that break trust as in %s, the last is refused [root_rotation]',
  (_, roots) =>
    withConformance(async ({ repo, client }) => {
      publishRoots(repo, roots);
      await client.init(repo.latest('root', 1));
      expect(await client.refresh()).toBe(1);
      expect(client.explained).toMatch(/^tuf-threshold-root/);
      const before = repo.latest('root', roots.length - 1) ?? [];
      expect(await client.trusted('root')).toEqual(Buffer.from(before));
    }),
);

test.each(otherRoles)(
  'given other keys as in %s, each role obeys root [non_root_rotations]',
  (_, keys, accepted) =>
    withConformance(async ({ repo, client }) => {
      await client.init();
      for (const role of ['timestamp', 'snapshot', 'targets']) {
        useKeys(repo, role, keys);
        repo.publish('root', 'targets', 'snapshot', 'timestamp');
        expect(await client.refresh()).toBe(accepted ? 0 : 1);
        if (accepted)
          expect(await client.trusted(role)).toEqual(Buffer.from(repo.latest(role) ?? []));
        else expect(client.explained).toMatch(/^tuf-threshold-/);
      }
    }),
);

function publishRoots(repo: TufRepository, roots: readonly KeyState[]): void {
  repo.published.delete('root');
  for (const keys of roots) {
    useKeys(repo, 'root', keys);
    repo.publish('root');
  }
}

function useKeys(repo: TufRepository, role: string, { keys, threshold, sigs }: KeyState): void {
  repo.clearKeys(role);
  repo.roleOf(role).threshold = threshold;
  for (const n of keys) repo.addKey(role, ed25519Signer(`rotation ${n}`));
  const { signers } = repo.draftOf(role);
  signers.clear();
  for (const n of sigs) {
    const signer = ed25519Signer(`rotation ${n}`);
    signers.set(signer.key.keyId, signer);
  }
}
