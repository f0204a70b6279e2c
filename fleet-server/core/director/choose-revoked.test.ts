import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../../shared/contracts/limits.ts';
import type { AppName, DeviceId, Digest, FleetId, TargetPath } from '../../../shared/core/ids.ts';
import { blankDeviceApp, type DeviceApp } from '../model/device-app.ts';
import { bundlesNear, chooseRevoked } from './choose-revoked.ts';

const digest = (n: number): Digest => `sha256:${n.toString(16).padStart(64, '0')}` as Digest;
const max = limits.revokedPerOrderMax;

test('when the list fits, the order carries all of it, sorted', () => {
  const listed = new Set([3, 1, 2].map(digest));
  expect(chooseRevoked(listed, new Set())).toEqual({ revoked: [1, 2, 3].map(digest), left: 0 });
});

test('when the list is longer than an order, what the device holds is in it, and the rest is counted', () => {
  const numbers = fc.uniqueArray(fc.nat({ max: 4_000 }), {
    minLength: max + 1,
    maxLength: max + 90,
  });
  fc.assert(
    fc.property(numbers, fc.uniqueArray(fc.nat({ max: 4_000 }), { maxLength: 60 }), (all, near) => {
      const listed = new Set(all.map(digest));
      const { revoked, left } = chooseRevoked(listed, new Set(near.map(digest)));
      expect(revoked).toHaveLength(max);
      expect(left).toBe(all.length - max);
      expect([...revoked].sort()).toEqual(revoked);
      const held = near.map(digest).filter((one) => listed.has(one));
      expect(held.filter((one) => !revoked.includes(one))).toEqual([]);
      expect(revoked.filter((one) => !listed.has(one))).toEqual([]);
    }),
  );
});

test('when a device says what it holds, was offered and has refused, all of it is near', () => {
  const at = { fleet: 'plant' as FleetId, device: 'd1' as DeviceId };
  const wanted = (n: number) => ({
    ...{
      path: 'bundles/a@1' as TargetPath,
      digest: digest(n),
      rollout: null,
      retry: 0,
      sinceMs: 0,
    },
  });
  const app: DeviceApp = {
    ...blankDeviceApp(at, 'a' as AppName),
    ...{ desired: wanted(1), previous: wanted(2), active: digest(3), lastGood: digest(4) },
    target: { path: 'bundles/a@1' as TargetPath, digest: digest(5), generation: 1, retry: 0 },
    refused: [{ digest: digest(6), retry: 0, reason: 'hang' }],
  };
  const blank = blankDeviceApp(at, 'b' as AppName);
  expect([...bundlesNear([app, blank])]).toEqual([1, 2, 3, 4, 5, 6].map(digest));
});
