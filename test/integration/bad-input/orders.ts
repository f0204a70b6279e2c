import { acceptDesired } from '../../../agent/core/update/accept-desired.ts';
import type { DesiredState } from '../../../shared/contracts/desired.ts';
import type { PayloadKind } from '../../../shared/contracts/payload-types.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';
import { signEnvelope } from '../../../shared/trust/dsse.ts';
import { seededSigner } from '../../../sim/world/seeded-keys.ts';
import { deviceId } from '../../support/store-nouns.ts';
import { day0Ms } from '../../support/tuf-repository.ts';
import { atDoor, type BadCase, codeOfResult } from './bad-case.ts';
import { DeviceScene, foreignEpoch, identity } from './device-scene.ts';

const order: DesiredState = {
  ...identity,
  ...{ directorVersion: 1, generation: 5, apps: [], revoked: [] },
  ...{ issuedAtMs: day0Ms, expiresAtMs: day0Ms + 3_600_000 },
};

const envelopeOf = (
  scene: DeviceScene,
  options: {
    readonly change?: object;
    readonly kind?: PayloadKind;
    readonly signer?: ReturnType<typeof seededSigner>;
  } = {},
): Promise<Uint8Array> => {
  const { change = {}, kind = 'desired' } = options;
  const { signer = scene.origin.operator.keys.signer('director') } = options;
  return signEnvelope(kind, utf8(canonicalJson({ ...order, ...change })), [signer]);
};

/** A device that has obeyed generation 5. */
async function open(): Promise<DeviceScene> {
  const scene = await DeviceScene.open();
  await scene.orders.receive('desired', await envelopeOf(scene));
  return scene;
}

const ordering = async (scene: DeviceScene, options: Parameters<typeof envelopeOf>[1]) => {
  const envelope = await envelopeOf(scene, options);
  return () => scene.refusedOrder(envelope);
};

const newer = { generation: 6 };

const cases: readonly BadCase<DeviceScene>[] = [
  {
    code: 'malformed-envelope',
    title: 'an order is no envelope',
    prepare: (scene) => () => scene.refusedOrder(utf8('{"apps":[]}')),
  },
  {
    code: 'unknown-key',
    title: 'an order is signed by somebody else',
    prepare: (scene) => ordering(scene, { change: newer, signer: seededSigner('thief') }),
  },
  {
    code: 'wrong-payload-type',
    title: 'a signed time of the director stands in the place of an order',
    prepare: (scene) => ordering(scene, { change: newer, kind: 'serverTime' }),
  },
  {
    code: 'schema-mismatch',
    title: 'an order has a field that nobody knows',
    prepare: (scene) => ordering(scene, { change: { ...newer, surprise: true } }),
  },
  {
    code: 'desired-for-another',
    title: 'an order is for the neighbour',
    prepare: (scene) => ordering(scene, { change: { ...newer, device: deviceId('edge-2') } }),
  },
  {
    code: 'desired-for-another',
    title: 'an order is for an earlier key of the device',
    prepare: (scene) => ordering(scene, { change: { ...newer, deviceKey: 'f'.repeat(64) } }),
  },
  {
    code: 'desired-epoch-mismatch',
    title: 'an order is of an earlier enrolment',
    prepare: (scene) => ordering(scene, { change: { ...newer, epoch: foreignEpoch } }),
  },
  {
    code: 'stale-generation',
    title: 'an older order comes again',
    prepare: (scene) => ordering(scene, { change: { generation: 4 } }),
  },
  {
    code: 'director-version-unknown',
    title: 'an order speaks for director keys that nobody published',
    prepare: (scene) => ordering(scene, { change: { ...newer, directorVersion: 99 } }),
  },
  {
    code: 'desired-repeated',
    title: 'the newest order comes again',
    // The desk says nothing of it, for a broker repeats by right; so its judgement is asked.
    prepare: (scene) => async () => {
      await scene.orders.receive('desired', await envelopeOf(scene));
      return codeOfResult(acceptDesired(order, identity, scene.updates.state.seen));
    },
  },
  {
    code: 'kind-not-expected',
    title: 'an order is of a kind that the device does not take',
    prepare: async (scene) => {
      const envelope = await envelopeOf(scene, { kind: 'command' });
      return () => scene.refusedOrder(envelope, 'command');
    },
  },
];

export const orders = atDoor({ name: 'an order to the device', open, cases });
