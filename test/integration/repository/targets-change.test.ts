import { describe, expect, test } from 'vitest';
import { addRevocations } from '../../../cli/bundle/fixed-targets.ts';
import { changeTargets, nextReleaseCounter } from '../../../cli/bundle/targets-change.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import type { AppName } from '../../../shared/core/ids.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import type { JsonObject } from '../../../shared/trust/strict-json.ts';
import { ed25519Key, targetsBody } from '../../../shared/trust/tuf/repository.ts';

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
  delegate: [],
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

  test('when a fleet gets another key, the old one is named no more, and other fleets stay', () => {
    const [a, b, c] = [1, 2, 3].map((fill) => ed25519Key(new Uint8Array(32).fill(fill)));
    if (a === undefined || b === undefined || c === undefined) throw new Error('three keys');
    const grant = (fleet: string, key: typeof a) => ({
      ...{ name: `federated-${fleet}`, paths: [`federated/${fleet}/*`], terminating: true },
      ...{ keys: [key], threshold: 1 },
    });
    const bodyAfter = (before: JsonObject, ...delegate: ReturnType<typeof grant>[]) => {
      const changed = changeTargets(before, { ...noChange, delegate });
      if (!changed.ok) throw new Error(changed.error.message);
      return changed.value.body;
    };
    const before = bodyAfter(base, grant('plant', a), grant('harbour', b));
    const after = bodyAfter(before, grant('plant', c));
    expect(after).toMatchObject({
      delegations: {
        keys: { [b.keyId]: {}, [c.keyId]: {} },
        roles: [{ name: 'federated-plant', keyids: [c.keyId] }, { name: 'federated-harbour' }],
      },
    });
    expect(JSON.stringify(after)).not.toContain(a.keyId);
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

test('when what had to be replaced must stop at once, the entry hardens, and never softens', () => {
  const entry = (then: 'stop' | 'replace') => ({ digest: digestOf(manifest), reason: 'cve', then });
  const [soft, hard] = [{ revoked: [entry('replace')] }, { revoked: [entry('stop')] }];
  expect(addRevocations(soft, hard.revoked)).toEqual(hard);
  expect(addRevocations(hard, soft.revoked)).toEqual(hard);
});

test('when a digest is revoked again, the first entry stays as it is', () => {
  const digest = digestOf(manifest);
  const known = { revoked: [{ digest, reason: 'first', then: 'stop' as const }] };
  const again = [{ digest, reason: 'second', then: 'stop' as const }];
  expect(addRevocations(known, again)).toEqual(known);
});
