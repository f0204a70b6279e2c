import { describe, expect, test } from 'vitest';
import {
  addRevocations,
  changeTargets,
  nextReleaseCounter,
} from '../../../cli/bundle/targets-change.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import type { AppName } from '../../../shared/core/ids.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import type { JsonObject } from '../../../shared/trust/strict-json.ts';
import { targetsBody } from '../../../shared/trust/tuf/repository.ts';

const manifest = utf8('manifest');
const custom = {
  name: 'two' as AppName,
  version: '1.0.0',
  releaseCounter: 1,
  fleets: [],
  classMatch: {},
  status: 'live' as const,
};
const noChange = {
  releases: [],
  retire: [],
  floors: new Map<string, number>(),
  fixed: new Map<string, Uint8Array>(),
  expiresAtMs: Date.UTC(2030, 0, 1),
};
const path = 'bundles/two@1.0.0';
const release = { path, manifest, digest: digestOf(manifest), custom };
const base: JsonObject = {
  ...targetsBody({ version: 7, expiresAtMs: 0, targets: [{ path, bytes: manifest, custom }] }),
  rollbackFloor: { two: 1 },
  future: 'kept',
};

describe('changeTargets', () => {
  test('when nothing is asked for, version and expiry alone differ and unknown members stay', () => {
    const changed = changeTargets(base, noChange);
    expect(changed).toMatchObject({
      value: {
        body: { version: 8, future: 'kept' },
        differences: [{ subject: 'expires' }, { subject: 'version', before: '7', after: '8' }],
      },
    });
  });

  test('when a published path is signed again, that is refused', () => {
    expect(changeTargets(base, { ...noChange, releases: [release] })).toMatchObject({
      error: { code: 'release-changed' },
    });
  });

  test('when a bundle is retired, only its status differs; an unknown path is said so', () => {
    const changed = changeTargets(base, { ...noChange, retire: [path] });
    const subjects = changed.ok ? changed.value.differences.map(({ subject }) => subject) : [];
    expect(subjects).toEqual(['expires', `targets ${path}`, 'version']);
    expect(changeTargets(base, { ...noChange, retire: ['bundles/x@1.0.0'] })).toMatchObject({
      error: { code: 'tuf-target-not-found' },
    });
  });

  test('when a floor would fall, that is refused', () => {
    const floors = new Map([['two', 0]]);
    expect(changeTargets(base, { ...noChange, floors })).toMatchObject({
      error: { code: 'rollback-floor-lowered' },
    });
  });
});

test('when the next release is numbered, it stands above all others of its name', () => {
  expect([nextReleaseCounter(base, 'two'), nextReleaseCounter(base, 'other')]).toEqual([2, 1]);
});

test('when a digest is revoked again, the first entry stays as it is', () => {
  const digest = digestOf(manifest);
  const known = { revoked: [{ digest, reason: 'first', then: 'stop' as const }] };
  const again = [{ digest, reason: 'second', then: 'stop' as const }];
  expect(addRevocations(known, again)).toEqual(known);
});
