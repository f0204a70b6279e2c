import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlobStore } from '../../fleet-server/ports/blob-store.ts';
import type { CandidateBuilder } from '../../fleet-server/ports/candidate-builder.ts';
import { decodeBundle, decodeManifest } from '../../shared/codec/bundle.ts';
import {
  type BundleForm,
  checkCandidate,
  checkCandidateTensors,
} from '../../shared/codec/federated-candidate.ts';
import type { CandidateJob } from '../../shared/contracts/federation.ts';
import { readAll, streamOf } from '../../shared/core/byte-stream.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import type { Digest, RoundId, TargetPath } from '../../shared/core/ids.ts';
import { digestOf } from '../../shared/trust/hash.ts';
import { drawInputs, heldOutBytes, learningBundle } from '../../sim/scenarios/learning-bundle.ts';
import { storeBundle } from '../support/federated-world.ts';

export interface CandidateBuilderUnderTest {
  readonly builder: CandidateBuilder;
  readonly blobs: BlobStore;
  end(): Promise<void>;
}

const parent = learningBundle();
const job: CandidateJob = {
  round: 'rnd-00000000000000aa' as RoundId,
  parent: 'bundles/smoke@1.0.0' as TargetPath,
  base: 'bundles/smoke@1.0.0' as TargetPath,
  version: '2.0.0',
  devices: 5,
  createdAtMs: 5,
};
/** The parent leans on the first number alone; the right answer is which of the two is larger. */
const start = [0.4, -0.4, 0.1, -0.1, 0, 0];
const better = [1, -1, -1, 1, 0, 0];

async function keep(blobs: BlobStore, bytes: Uint8Array): Promise<Digest> {
  const digest = digestOf(bytes);
  await blobs.put(digest, streamOf(bytes), { bytesMax: 1 << 20 });
  return digest;
}

async function readBundle(blobs: BlobStore, digest: Digest): Promise<BundleForm> {
  const read = async (name: Digest) => readAll((await blobs.read(name))!);
  const manifestBytes = await read(digest);
  const manifest = decodeManifest(manifestBytes);
  if (!manifest.ok) throw new Error(manifest.error.message);
  const bundle = decodeBundle(manifestBytes, await read(manifest.value.config.digest));
  if (!bundle.ok) throw new Error(bundle.error.message);
  return { digest, ...bundle.value };
}

/** What every CandidateBuilder promises. */
export function describeCandidateBuilder(
  name: string,
  open: () => Promise<CandidateBuilderUnderTest>,
): void {
  describe(`CandidateBuilder: ${name}`, () => {
    let world: CandidateBuilderUnderTest;
    let right: Digest;
    beforeAll(async () => {
      world = await open();
      await storeBundle(world.blobs, parent);
      right = await keep(world.blobs, heldOutBytes('right'));
    });
    afterAll(() => world.end());

    const build = (
      values: readonly number[],
      change: { readonly heldOut?: Digest; readonly parent?: Digest; readonly base?: Digest } = {},
    ) =>
      world.builder.build({
        ...{ job, parent: parent.digest, base: parent.digest, heldOut: right, ...change },
        parameters: new Uint8Array(Float32Array.from(values).buffer),
      });

    it('when the average is better, leaves a whole candidate in the store that a device would accept', async () => {
      const built = await build(better);
      if (!built.ok) throw new Error(`${built.error.code}: ${built.error.message}`);
      const { digest, evidence } = built.value;
      const rightByFirst = drawInputs('held-out', 100).filter(({ tensor, label }) => {
        const [a = 0, b = 0] = new Float32Array(tensor.bytes.slice().buffer);
        return 0.4 * a + 0.1 * b > 0 === (label === 'calm');
      });
      expect(evidence).toMatchObject({ n: 100, base: { correct: rightByFirst.length } });
      expect(evidence.candidate.correct).toBe(100);
      expect(evidence.candidate.logLoss).toBeLessThan(evidence.base.logLoss);
      expect(evidence.goldenAgreement).toBe(1);

      const [before, after] = [
        await readBundle(world.blobs, parent.digest),
        await readBundle(world.blobs, digest),
      ];
      expect(after.config).toMatchObject({ version: '2.0.0', parent: parent.digest });
      expect(after.config.lineage).toMatchObject({ round: job.round, createdAtMs: 5 });
      expect(checkCandidate(before, after, ['weights', 'bias'])).toEqual({ ok: true });
      const contents = new Map<Digest, Uint8Array>();
      for (const layer of [...before.manifest.layers, ...after.manifest.layers]) {
        contents.set(layer.digest, await readAll((await world.blobs.read(layer.digest))!));
      }
      const checked = checkCandidateTensors(before.config, after.config, (it) => contents.get(it));
      expect(checked).toEqual({ ok: true });
    });

    it('when the devices learned from an earlier candidate, asks for more than that one could', async () => {
      const first = await build(better.map((value) => 0.9 * value));
      if (!first.ok) throw new Error(`${first.error.code}: ${first.error.message}`);
      const base = first.value.digest;
      // Better than the parent, and worse than what it was learned from.
      expect(await build([0.6, -0.6, 0, 0, 0, 0], { base })).toMatchObject({
        ok: false,
        error: { code: 'candidate-not-better', evidence: { base: { correct: 100 } } },
      });
      const second = await build(better, { base });
      if (!second.ok) throw new Error(`${second.error.code}: ${second.error.message}`);
      const { config } = await readBundle(world.blobs, second.value.digest);
      expect(config.parent).toBe(parent.digest);
    });

    it('when the average is the parent itself, refuses it as not better, with the numbers', async () => {
      expect(await build(start)).toMatchObject({
        ok: false,
        error: { code: 'candidate-not-better', evidence: { n: 100, goldenAgreement: 1 } },
      });
    });

    it('when every held-out label says the contrary, refuses what was better', async () => {
      const heldOut = await keep(world.blobs, heldOutBytes('contrary'));
      expect(await build(better, { heldOut })).toMatchObject({
        ok: false,
        error: { code: 'candidate-not-better', evidence: { candidate: { correct: 0 } } },
      });
    });

    it('when the average left the signed distance, refuses it', async () => {
      const far = better.map((value) => 50 * value);
      expect(await build(far)).toMatchObject({ ok: false, error: { code: 'candidate-too-far' } });
    });

    it('when a golden answer leaves its tolerance, refuses it', async () => {
      const turned = better.map((value) => -50 * value);
      expect(await build(turned)).toMatchObject({
        ok: false,
        error: { code: 'candidate-golden-mismatch' },
      });
    });

    it('when parameters are missing or the held-out set has another form, refuses with no numbers', async () => {
      expect(await build(better.slice(1))).toMatchObject({
        ok: false,
        error: { code: 'update-shape-mismatch', evidence: null },
      });
      const heldOut = await keep(world.blobs, utf8('neither header nor rows'));
      expect(await build(better, { heldOut })).toMatchObject({
        ok: false,
        error: { code: 'held-out-malformed', evidence: null },
      });
    });

    it('when the parent or the held-out set is not in the store, fails and says nothing of the candidate', async () => {
      const absent = digestOf(utf8('never stored'));
      const code = 'candidate-build-failed';
      await expect(build(better, { heldOut: absent })).rejects.toMatchObject({ code });
      await expect(build(better, { parent: absent })).rejects.toMatchObject({ code });
      await expect(build(better, { base: absent })).rejects.toMatchObject({ code });
    });
  });
}
