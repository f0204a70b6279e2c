import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RevocationWatch } from '../../../agent/runner/revocation-watch.ts';
import type { PackedBundle } from '../../../firmware-bundles/pack/pack-bundle.ts';
import type { Digest, TargetPath } from '../../../shared/core/ids.ts';
import { sampleBundle } from '../../support/sample-bundle.ts';
import { day0Ms } from '../../support/tuf-repository.ts';
import { DeviceScene } from '../bad-input/device-scene.ts';

const first = sampleBundle();
const second = sampleBundle({ version: '2.0.0', fill: 2, parent: first.digest });
const third = sampleBundle({ version: '3.0.0', fill: 3, parent: second.digest });

const targetOf = ({ config, digest }: PackedBundle) => ({
  ...{ app: config.name, path: `bundles/${config.name}@${config.version}` as TargetPath },
  ...{ digest, retry: 0, rollout: undefined, directorVersion: 1, generation: 1 },
});

let device: DeviceScene;

beforeEach(async () => {
  device = await DeviceScene.open();
  for (const bundle of [first, second, third]) {
    device.origin.add(bundle);
    device.origin.operator.name(bundle);
  }
  await device.offer();
});

afterEach(() => device.close());

describe('given a line of three bundles of which the device holds the first two', () => {
  beforeEach(async () => {
    expect(await device.install(first)).toBe('ok');
    expect(await device.install(second)).toBe('ok');
  });

  test('when the first is revoked, the third is not fetched', async () => {
    const scope = { trustedNowMs: day0Ms, revoked: new Set([first.digest]) };
    const fetched = await device.installer.fetch(targetOf(third), scope);
    expect(fetched).toMatchObject({ ok: false, error: { code: 'revoked', isFinal: true } });
  });

  test('when a blob of the second is revoked, the third is not fetched', async () => {
    const tensor = second.config.variants[0]?.tensors[0]?.digest as Digest;
    const scope = { trustedNowMs: day0Ms, revoked: new Set([tensor]) };
    const fetched = await device.installer.fetch(targetOf(third), scope);
    expect(fetched).toMatchObject({ ok: false, error: { code: 'revoked' } });
  });

  test('when neither is revoked, the third is fetched', async () => {
    expect(await device.install(third)).toBe('ok');
  });
});

describe('given a device that runs the third and has the others on its disk', () => {
  const learn = async (then: 'stop' | 'replace') => {
    for (const bundle of [first, second, third]) expect(await device.install(bundle)).toBe('ok');
    const app = third.config.name;
    await device.updates.record({
      ...{ kind: 'desired-accepted', expiresAtMs: day0Ms, revoked: [] },
      seen: { directorVersion: 1, generation: 1 },
      targets: [targetOf(third)],
    });
    await device.updates.record({ kind: 'committed', app, target: targetOf(third) });
    device.origin.operator.revoked = [{ digest: first.digest, reason: 'bad-data', then }];
    await device.offer();
    const { catalogue, installer } = device;
    await new RevocationWatch({ catalogue, installer, updates: () => device.updates }).learn();
    const { revoked, replaced } = device.updates.state;
    return { revoked: [...revoked].sort(), replaced: [...replaced].sort() };
  };
  const both = [first.digest, third.digest].sort();

  test('when the first is to be stopped, it learns at once that the third must not run', async () => {
    expect(await learn('stop')).toEqual({ revoked: both, replaced: [] });
  });

  test('when the first is to be replaced, it learns at once that the third is to be replaced', async () => {
    expect(await learn('replace')).toEqual({ revoked: [], replaced: both });
  });
});
