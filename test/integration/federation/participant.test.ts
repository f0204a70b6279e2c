import { beforeAll, expect, it } from 'vitest';
import { Participant } from '../../../agent/runner/federation/participant.ts';
import type { HostedModel } from '../../../agent/runner/model-host.ts';
import type { PackedBundle } from '../../../firmware-bundles/pack/pack-bundle.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { MemoryDisk } from '../../../sim/world/memory-disk.ts';
import { RecordingLog } from '../../../sim/world/recording-log.ts';
import { seededSigner } from '../../../sim/world/seeded-keys.ts';
import { SimRandom } from '../../../sim/world/sim-random.ts';
import { packSmallParent, syntheticFiles } from '../../support/federated-world.ts';
import { filetype } from '../../support/store-nouns.ts';

let parent: PackedBundle;
beforeAll(async () => {
  parent = await packSmallParent();
});

/** Nothing of a round is reached here: what is looked at is what the device keeps for itself. */
function open(disk: MemoryDisk, mayTrain = true) {
  const unreached = () => {
    throw new Error('no round is held here');
  };
  return new Participant({
    ...{ disk, mayTrain, log: new RecordingLog(), random: new SimRandom('participant') },
    ...{ deviceKey: seededSigner('device'), roundsPerDay: 1 },
    fetcher: { fetch: unreached },
    runtime: { open: unreached, probe: unreached },
    blobs: unreached as never,
    refused: () => undefined,
    ...{ bearer: unreached, identity: () => undefined, trustedNowMs: () => undefined },
    ...{ directorKeys: async () => undefined, running: async () => undefined, send: unreached },
  });
}

const modelOf = (host: HostedModel['host']) =>
  ({ app: filetype, host, bundle: { config: parent.config } }) as HostedModel;

/** Offers every file; how many were not known a moment ago. */
function offer(participant: Participant, host: HostedModel['host'], count = 20): number {
  let fresh = 0;
  for (const { counts, label } of syntheticFiles('own', count)) {
    const tensor = { type: 'uint8' as const, shape: [1, counts.length], bytes: counts.slice() };
    const input = { kind: 'tensors' as const, tensors: new Map([['counts', tensor]]) };
    const look = participant.look(modelOf(host), input, label);
    if (look === undefined) continue;
    participant.keep(look);
    fresh += 1;
  }
  return fresh;
}

async function runAndStop(participant: Participant): Promise<void> {
  const stop = new AbortController();
  const life = participant.run(stop.signal);
  stop.abort();
  await life;
}

const journal = (disk: MemoryDisk) =>
  disk.read('state/examples.journal', { bytesMax: limits.exampleJournalBytesMax });

it('when labelled inputs come again and again, each is written once, and what waits at the end is written', async () => {
  const disk = new MemoryDisk();
  const participant = open(disk);
  expect(offer(participant, 'worker')).toBe(20);
  expect(offer(participant, 'worker')).toBe(0);
  await runAndStop(participant);
  const written = await journal(disk);
  expect(written?.length).toBeGreaterThan(20 * 1_280);
  const later = open(disk);
  offer(later, 'worker');
  await runAndStop(later);
  expect(await journal(disk)).toEqual(written);
});

it('when nothing is written for a while, what waits is bounded', () => {
  expect(offer(open(new MemoryDisk()), 'worker', 200)).toBe(limits.examplesWaitingMax);
});

it('when the model is on trial, or the owner has switched training off, nothing is remembered', async () => {
  const disk = new MemoryDisk();
  const participant = open(disk, false);
  expect(offer(participant, 'worker')).toBe(0);
  expect(participant.receive(new Uint8Array(4))).toBe('training-off');
  await runAndStop(participant);
  expect(offer(open(disk), 'process')).toBe(0);
  expect(await journal(disk)).toBeUndefined();
});
