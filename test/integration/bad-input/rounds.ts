import { acceptRound } from '../../../agent/core/federation/accept-round.ts';
import { inThreadAggregator } from '../../../fleet-server/adapters/aggregator/in-thread-aggregator.ts';
import type { RunningSum } from '../../../fleet-server/ports/aggregator.ts';
import { checkCandidateTensors } from '../../../shared/codec/federated-candidate.ts';
import { encodeUpdate } from '../../../shared/codec/federated-update.ts';
import { type RoundOrder, roundUploadPath } from '../../../shared/contracts/federation.ts';
import { hexOf, utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../../shared/core/canonical-json.ts';
import type { DeviceId, Digest } from '../../../shared/core/ids.ts';
import { signEnvelope } from '../../../shared/trust/dsse.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { seededSigner } from '../../../sim/world/seeded-keys.ts';
import { aggregatorPlan, drawUpdate } from '../../contract/aggregator.suite.ts';
import { digest, epochOf, filetype, plant, roundId } from '../../support/store-nouns.ts';
import { type Attack, atDoor, type BadCase, codeOfResult, type Scene } from './bad-case.ts';
import { identity } from './device-scene.ts';
import { nameOf, RoundScene } from './round-scene.ts';

const elementsOf = ({ parent }: RoundScene): readonly number[] =>
  (parent.config.training?.parameters ?? []).map(({ shape }) =>
    shape.reduce((all, n) => all * n, 1),
  );

export const updateOf = (scene: RoundScene, value: number): Uint8Array => {
  const elements = elementsOf(scene);
  const shape = { round: scene.round, bundle: scene.parent.digest, elements };
  return encodeUpdate(
    shape,
    elements.map((count) => new Float32Array(count).fill(value)),
  );
};

const addressOf = (n: number) => ({ fleet: plant, device: nameOf(n) });

/** A report as the device would sign it; its update need not be there. */
export const reporting = async (
  scene: RoundScene,
  n: number,
  options: { readonly change?: Readonly<Record<string, Json>>; readonly signer?: DeviceId } = {},
): Promise<Attack> => {
  const { change = {}, signer = nameOf(n) } = options;
  const payload = {
    ...{ ...addressOf(n), epoch: epochOf('e'), round: scene.round, bundle: scene.parent.digest },
    ...{ update: digestOf(updateOf(scene, 1e-4)), samples: 40, lossBefore: 1, lossAfter: 0.5 },
    ...change,
  };
  const bytes = utf8(canonicalJson(payload));
  const envelope = await signEnvelope('roundReport', bytes, [seededSigner(signer)]);
  return async () => codeOfResult(await scene.updates.receiveReport(addressOf(n), envelope));
};

const uploads: readonly BadCase<RoundScene>[] = [
  {
    code: 'round-unknown',
    title: 'an update is for a round that never was',
    prepare: (scene) => async () =>
      codeOfResult(
        await scene.updates.receiveUpdate(addressOf(0), roundId('9'), updateOf(scene, 0)),
      ),
  },
  {
    code: 'not-invited',
    title: 'an update comes from a device that was not chosen',
    prepare: (scene) => async () =>
      codeOfResult(
        await scene.updates.receiveUpdate(addressOf(8), scene.round, updateOf(scene, 0)),
      ),
  },
  {
    code: 'update-shape-mismatch',
    title: 'an update has a tensor too few',
    prepare: (scene) => async () =>
      codeOfResult(
        await scene.updates.receiveUpdate(
          addressOf(0),
          scene.round,
          updateOf(scene, 0).slice(0, -8),
        ),
      ),
  },
  {
    code: 'update-missing',
    title: 'a report names an update that was never uploaded',
    prepare: (scene) => reporting(scene, 0, { change: { update: digest('3') } }),
  },
  {
    code: 'update-for-another',
    title: 'a report is about another bundle',
    prepare: (scene) => reporting(scene, 0, { change: { bundle: digest('4') } }),
  },
  {
    code: 'report-for-another',
    title: 'a device reports for its neighbour',
    prepare: (scene) => reporting(scene, 0, { change: { device: nameOf(1) } }),
  },
  {
    code: 'unknown-key',
    title: 'a report is signed by its neighbour',
    prepare: (scene) => reporting(scene, 0, { signer: nameOf(1) }),
  },
  {
    code: 'device-unknown',
    title: 'a report comes from nobody we know',
    prepare: (scene) => reporting(scene, 77),
  },
  {
    code: 'update-repeated',
    title: 'a device votes twice',
    prepare: async (scene) => {
      await scene.updates.receiveUpdate(addressOf(2), scene.round, updateOf(scene, 1e-4));
      const report = await reporting(scene, 2);
      await report();
      return report;
    },
  },
  {
    code: 'round-unknown',
    title: 'somebody gives up a round that never was',
    prepare: (scene) => async () =>
      codeOfResult(await scene.desk.abandon(plant, { round: roundId('9'), actor: 'ada' })),
  },
];

const creating =
  (scene: RoundScene, change: Parameters<RoundScene['request']>[0]): Attack =>
  async () =>
    codeOfResult(await scene.desk.create(plant, { request: scene.request(change), author: 'ada' }));

const requests: readonly BadCase<RoundScene>[] = [
  {
    code: 'round-spec-invalid',
    title: 'a round names a held-out set that is not here',
    prepare: (scene) => creating(scene, { heldOut: digest('8') }),
  },
  {
    code: 'not-federable',
    title: 'a round trains a bundle that is not signed for it',
    prepare: (scene) => {
      scene.isFederable = false;
      return creating(scene, {});
    },
  },
  {
    code: 'round-for-another',
    title: 'an order to train is for the neighbour',
    prepare: (scene) => {
      const { round, parent } = scene;
      const order: RoundOrder = {
        ...{ ...identity, device: nameOf(1), round, app: filetype, expiresAtMs: 2 },
        ...{ bundle: { digest: parent.digest }, issuedAtMs: 1, directorVersion: 1 },
        ...{ task: scene.request().training, uploadPath: roundUploadPath(round) },
      } as unknown as RoundOrder;
      const device = { identity, trustedNowMs: 1, running: parent.digest, training: undefined };
      const rest = { samples: 9, ledger: [], roundsPerDay: 4, roundTriesMax: 3 };
      return () => codeOfResult(acceptRound(order, { ...device, ...rest }));
    },
  },
  {
    code: 'candidate-too-far',
    title: 'a candidate leaves the signed distance from its parent',
    prepare: ({ parent: { config, blobs } }) => {
      const { training } = config;
      if (training === undefined) throw new Error('the parent is federable');
      const [first, ...others] = training.parameters;
      if (first === undefined) throw new Error('the parent has parameters');
      const far = new Float32Array((blobs.get(first.blob)?.length ?? 0) / 4).fill(1e3);
      const bytes = new Uint8Array(far.buffer);
      const moved: Digest = digestOf(bytes);
      const parameters = [{ ...first, blob: moved }, ...others];
      const candidate = { ...config, training: { ...training, parameters } };
      const read = (name: Digest) => (name === moved ? bytes : blobs.get(name));
      return () => codeOfResult(checkCandidateTensors(config, candidate, read));
    },
  },
];

export const rounds = atDoor({
  name: 'a message of a federated round',
  open: () => RoundScene.open(),
  cases: [...uploads, ...requests],
});

interface SumScene extends Scene {
  readonly sum: RunningSum;
}

/** A sum that holds one honest update. */
async function openSum(): Promise<SumScene> {
  const sum = await inThreadAggregator.open(aggregatorPlan);
  await sum.add(drawUpdate('honest', 1), 8);
  return {
    sum,
    state: async () => hexOf(new Uint8Array((await sum.mean()).buffer)),
    close: () => sum.close(),
  };
}

const adding =
  (change: (good: Uint8Array) => Uint8Array) =>
  ({ sum }: SumScene): Attack =>
  async () =>
    codeOfResult(await sum.add(change(drawUpdate('bad', 1)), 8));

/**
 * What an update says about itself is judged where it is added. The intake above keeps such a refusal as the one vote
 * that the device has, and counts it in the round; the sum must not feel it.
 */
export const sums = atDoor({
  name: 'an update to the sum of a round',
  open: openSum,
  cases: [
    {
      code: 'update-malformed',
      title: 'an update is of no known form',
      prepare: adding((good) => {
        good[0] = 0;
        return good;
      }),
    },
    {
      code: 'update-not-finite',
      title: 'an update holds no number',
      prepare: adding((good) => {
        new DataView(good.buffer).setFloat32(good.length - 4, Number.NaN, true);
        return good;
      }),
    },
    {
      code: 'update-norm-exceeded',
      title: 'an update is a thousand times too long',
      prepare: adding(() => drawUpdate('huge', 2_000)),
    },
  ],
});
