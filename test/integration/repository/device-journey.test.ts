import { beforeEach, expect, test } from 'vitest';
import { ByteBudget } from '../../../agent/runner/byte-budget.ts';
import { ContentStore } from '../../../agent/runner/content-store.ts';
import { CandidateGate } from '../../../agent/runner/federation/candidate-gate.ts';
import { TrainingStore } from '../../../agent/runner/federation/training-store.ts';
import { Installer } from '../../../agent/runner/installer.ts';
import { SlotStore } from '../../../agent/runner/slot-store.ts';
import { TrustedCatalogue } from '../../../agent/runner/trusted-catalogue.ts';
import type { PackedBundle } from '../../../firmware-bundles/pack/pack-bundle.ts';
import type { ImageRepository } from '../../../fleet-server/runner/image-repository.ts';
import { systemClock } from '../../../shared/adapters/clock/system-clock.ts';
import type { AppName, FleetId, TargetPath } from '../../../shared/core/ids.ts';
import { MemoryDisk } from '../../../sim/world/memory-disk.ts';
import { SimFetcher } from '../../../sim/world/sim-fetcher.ts';
import { SimRandom } from '../../../sim/world/sim-random.ts';
import { openOrigin, originHandler, tokens } from '../../support/repository-origin.ts';
import { RepositoryWorld } from '../../support/repository-world.ts';
import { sampleBundle } from '../../support/sample-bundle.ts';
import { day0Ms } from '../../support/tuf-repository.ts';

const app = 'adder' as AppName;
const v1 = sampleBundle();
const v2 = sampleBundle({ version: '2.0.0' });

let world: RepositoryWorld;
let repository: ImageRepository;

beforeEach(async () => {
  ({ world, repository } = await RepositoryWorld.open());
  await world.upload(repository, v1);
  world.name(v1);
  expect(await world.publish(repository)).toBe('ok');
});

/** A device that reaches the real routes through a simulated network. */
async function openDevice() {
  const origin = await openOrigin(repository);
  const asked: string[] = [];
  const handler = originHandler(origin);
  const clock = systemClock;
  const disk = new MemoryDisk();
  const fetcher = new SimFetcher(async (request) => {
    asked.push(request.path);
    return handler(request);
  }, clock);
  const random = new SimRandom('device');
  const budget = await ByteBudget.open({
    ...{ disk, clock, path: 'state/bytes.json', bytesPerMonthMax: undefined },
  });
  const catalogue = new TrustedCatalogue({ disk, fetcher, pinnedRoot: world.firstRoot });
  const content = new ContentStore(disk);
  const download = { disk, fetcher, clock, random, budget };
  const bearer = () => tokens.plant;
  const blobs = new TrainingStore({ content, download, bearer });
  const installer = new Installer({
    ...{ catalogue, content, slots: new SlotStore(disk, content), agentVersion: '1.0.0' },
    ...{ download, bearer },
    candidates: new CandidateGate({ catalogue, blobs, fleet: 'plant' as FleetId }),
    facts: () => ({ providers: 'cpu' }),
    fleet: 'plant',
  });
  const targetOf = (bundle: PackedBundle) => ({
    app,
    path: `bundles/adder@${bundle.config.version}` as TargetPath,
    digest: bundle.digest,
    rollout: null,
    retry: 0,
  });
  const scope = { trustedNowMs: day0Ms, revoked: new Set<never>() };
  const install = async (bundle: PackedBundle): Promise<string> => {
    const target = targetOf(bundle);
    const fetched = await installer.fetch(target as never, scope);
    if (!fetched.ok) return fetched.error.code;
    const verified = await installer.verify(target as never);
    if (!verified.ok) return verified.error.code;
    const staged = await installer.stage(target as never);
    return staged.ok ? 'ok' : staged.error.code;
  };
  return { asked, catalogue, install };
}

test('when a bundle is published, a device verifies, fetches and stages it', async () => {
  const { catalogue, install } = await openDevice();
  expect(await install(v1)).toBe('ok');
  expect((await catalogue.directorKeys())?.version).toBe(1);
  expect(await catalogue.revocations()).toEqual([]);
});

test('when the next version shares its tensors, only what is new goes over the wire', async () => {
  const { asked, install } = await openDevice();
  await install(v1);
  await world.upload(repository, v2);
  world.name(v2);
  expect(await world.publish(repository)).toBe('ok');
  asked.length = 0;
  expect(await install(v2)).toBe('ok');
  const blobs = asked.filter((path) => path.includes('/blobs/'));
  expect(blobs).toEqual([expect.stringContaining('/v2/adder/blobs/')]);
  const tensor = v2.config.variants[0]!.tensors[0]!.digest;
  expect(blobs.join()).not.toContain(tensor);
});

test('when a blob is altered in the store after publishing, no device takes it', async () => {
  world.blobs.flipByte(v1.config.variants[0]!.tensors[0]!.digest, 100);
  const { install } = await openDevice();
  expect(await install(v1)).toBe('blob-digest-mismatch');
});

test('when a bundle was never signed, a device finds no target for it', async () => {
  const { install } = await openDevice();
  expect(await install(v2)).toBe('tuf-target-not-found');
});

test('when a bundle is revoked, devices learn it with the next refresh and keep it offline', async () => {
  const { catalogue, install } = await openDevice();
  await install(v1);
  world.name(v1, { status: 'retired' });
  world.revoked = [{ digest: v1.digest, reason: 'bad-model', then: 'stop' }];
  expect(await world.publish(repository)).toBe('ok');
  expect(await install(v1)).toBe('target-retired');
  expect((await catalogue.revocations()).map(({ digest }) => digest)).toEqual([v1.digest]);
});
