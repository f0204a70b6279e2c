import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AppName, Digest, TargetPath } from '../../../shared/core/ids.ts';
import {
  checkReleases,
  checkTargetsFacts,
  type Release,
  type TargetsFacts,
} from './release-rules.ts';

const digestOf = (digit: number): Digest => `sha256:${String(digit % 10).repeat(64)}` as Digest;

const release = (number: number, change: Partial<Release['custom']> = {}): Release => ({
  path: `bundles/app@${number}.0.0` as TargetPath,
  digest: digestOf(number),
  bytes: 1,
  custom: {
    name: 'app' as AppName,
    version: `${number}.0.0`,
    releaseCounter: number,
    fleets: [],
    classMatch: {},
    status: 'live',
    ...change,
  },
});

const facts = (releases: readonly Release[], change: Partial<TargetsFacts> = {}): TargetsFacts => ({
  releases: new Map(releases.map((each) => [each.path, each])),
  rollbackFloor: new Map(),
  director: { version: 1, keys: ['a'.repeat(64)], auditKeys: ['b'.repeat(64)] },
  revoked: [],
  ...change,
});

const codeOf = (before: TargetsFacts | undefined, next: TargetsFacts): string => {
  const checked = checkTargetsFacts(before, next);
  return checked.ok ? 'ok' : checked.error.code;
};

describe('checkTargetsFacts', () => {
  test('when nothing changes, or a higher release is added, it is fine', () => {
    expect(codeOf(undefined, facts([]))).toBe('ok');
    expect(codeOf(facts([release(1)]), facts([release(1)]))).toBe('ok');
    expect(codeOf(facts([release(1)]), facts([release(1), release(2)]))).toBe('ok');
  });

  test('when two new releases share a counter, one of them is refused', () => {
    const twin = { ...release(3), custom: { ...release(3).custom, releaseCounter: 2 } };
    expect(codeOf(facts([release(1)]), facts([release(1), release(2), twin]))).toBe(
      'release-counter-low',
    );
  });

  test('when a counter of a published release changes, it is refused', () => {
    const next = facts([release(1, { releaseCounter: 5 })]);
    expect(codeOf(facts([release(1)]), next)).toBe('release-changed');
  });

  test('when a release below the floor is retired, it may stay', () => {
    const before = facts([release(1), release(2)]);
    const rollbackFloor = new Map([['app', 2]]);
    expect(codeOf(before, facts([release(1), release(2)], { rollbackFloor }))).toBe(
      'below-rollback-floor',
    );
    const retired = facts([release(1, { status: 'retired' }), release(2)], { rollbackFloor });
    expect(codeOf(before, retired)).toBe('ok');
    expect(codeOf(retired, facts([...retired.releases.values()]))).toBe('rollback-floor-lowered');
  });

  test('when what must be replaced shall stop, it hardens; back again, or gone, it is refused', () => {
    const entry = (then: 'stop' | 'replace') => ({ digest: digestOf(9), reason: 'cve', then });
    const [soft, hard] = [
      facts([], { revoked: [entry('replace')] }),
      facts([], { revoked: [entry('stop')] }),
    ];
    expect(codeOf(soft, hard)).toBe('ok');
    expect(codeOf(hard, soft)).toBe('revocation-lost');
    expect(codeOf(soft, facts([]))).toBe('revocation-lost');
  });

  test('when director keys change, their version rises; when it rises, they may stay', () => {
    const before = facts([]);
    const director = { ...before.director, keys: ['c'.repeat(64)] };
    expect(codeOf(before, facts([], { director }))).toBe('director-keys-older');
    expect(codeOf(before, facts([], { director: { ...director, version: 2 } }))).toBe('ok');
    expect(codeOf(before, facts([], { director: { ...director, version: 0 } }))).toBe(
      'director-keys-older',
    );
    expect(codeOf(before, facts([], { director: { ...before.director, version: 2 } }))).toBe('ok');
  });

  test('when files follow one another by these rules, no release ever changes or vanishes', () => {
    const numbers = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 6 });
    fc.assert(
      fc.property(fc.array(numbers, { maxLength: 8 }), (files) => {
        let served: TargetsFacts | undefined;
        for (const file of files) {
          const next = facts(file.map((number) => release(number)));
          if (!checkReleases(served, next).ok) continue;
          for (const [path, before] of served?.releases ?? []) {
            expect(next.releases.get(path)?.digest).toBe(before.digest);
          }
          served = next;
        }
      }),
    );
  });
});
