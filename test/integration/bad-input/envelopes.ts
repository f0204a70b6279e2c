import { limits } from '../../../shared/contracts/limits.ts';
import { hexOf, utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';
import { signEnvelope, verifyEnvelope } from '../../../shared/trust/dsse.ts';
import { openVerifyingKey } from '../../../shared/trust/ed25519.ts';
import { seededSigner } from '../../../sim/world/seeded-keys.ts';
import { atDoor, type BadCase, codeOfResult } from './bad-case.ts';
import { BadDevice } from './enrolled-device.ts';
import { codeIn, ServerScene } from './server-scene.ts';

type Prepared = () => Promise<string>;
let named = 0;
/** A name that nobody has yet. */
const stranger = (scene: ServerScene): BadDevice => {
  named += 1;
  return new BadDevice(scene, `stranger-${named}`);
};

const posting =
  (device: BadDevice, path: string, payload: Uint8Array | string): Prepared =>
  async () =>
    codeIn(await device.post(path, payload));

const enrolling: readonly BadCase<ServerScene>[] = [
  {
    code: 'malformed-envelope',
    title: 'an enrolment is no envelope',
    prepare: (scene) => posting(stranger(scene), 'enrolments', 'hello'),
  },
  {
    code: 'too-large',
    title: 'an enrolment is larger than any',
    prepare: (scene) => posting(stranger(scene), 'enrolments', 'x'.repeat(100_000)),
  },
  {
    code: 'wrong-payload-type',
    title: 'a signed login is sent as an enrolment',
    prepare: async (scene) => {
      const device = stranger(scene);
      const publicKey = hexOf(device.key.publicKey);
      const nonce = await device.nonce();
      const claim = await device.claim();
      const audience = 'http://127.0.0.1:8080';
      const payload = { ...device.address, nonce, audience, claim, publicKey };
      const bytes = utf8(canonicalJson(payload));
      const signed = await signEnvelope('loginAssertion', bytes, [device.key]);
      return posting(device, 'enrolments', signed);
    },
  },
  {
    code: 'unknown-key',
    title: 'an enrolment brings a key that has not signed it',
    prepare: async (scene) => {
      const device = stranger(scene);
      const publicKey = hexOf(seededSigner('another').publicKey);
      const bytes = await device.enrolment(await device.claim(), { change: { publicKey } });
      return posting(device, 'enrolments', bytes);
    },
  },
  {
    code: 'audience-mismatch',
    title: 'an enrolment was signed for another server',
    prepare: async (scene) => {
      const device = stranger(scene);
      const change = { audience: 'https://elsewhere.example' };
      return posting(
        device,
        'enrolments',
        await device.enrolment(await device.claim(), { change }),
      );
    },
  },
  {
    code: 'challenge-unknown',
    title: 'an enrolment answers a nonce that was never given',
    prepare: async (scene) => {
      const device = stranger(scene);
      const change = { nonce: '0'.repeat(64) };
      return posting(
        device,
        'enrolments',
        await device.enrolment(await device.claim(), { change }),
      );
    },
  },
  {
    code: 'claim-unknown',
    title: 'a claim was never made',
    prepare: async (scene) => {
      const device = stranger(scene);
      return posting(device, 'enrolments', await device.enrolment('x'.repeat(32)));
    },
  },
  {
    code: 'claim-expired',
    title: 'a claim has run out',
    prepare: async (scene) => {
      const device = stranger(scene);
      const claim = await device.claim({ lifeMs: 1_000 });
      await scene.http.pass(2_000);
      return posting(device, 'enrolments', await device.enrolment(claim));
    },
  },
  {
    code: 'claim-used-up',
    title: 'a claim for one device is used by a second one',
    prepare: async (scene) => {
      const device = stranger(scene);
      const claim = await device.claim();
      await device.post('enrolments', await device.enrolment(claim));
      const second = stranger(scene);
      return posting(second, 'enrolments', await second.enrolment(claim));
    },
  },
  {
    code: 'claim-id-mismatch',
    title: 'a claim is for other names',
    prepare: async (scene) => {
      const device = stranger(scene);
      const claim = await device.claim({ idPattern: 'press-*' });
      return posting(device, 'enrolments', await device.enrolment(claim));
    },
  },
  {
    code: 'device-known',
    title: 'a new key comes with a fresh claim for a name that is taken',
    prepare: async (scene) => {
      const device = stranger(scene);
      await device.enrol();
      const signer = seededSigner('usurper');
      return posting(
        device,
        'enrolments',
        await device.enrolment(await device.claim(), { signer }),
      );
    },
  },
];

const loggingIn: readonly BadCase<ServerScene>[] = [
  {
    code: 'device-unknown',
    title: 'somebody logs in who was never enrolled',
    prepare: async (scene) => {
      const device = stranger(scene);
      return posting(device, 'sessions', await device.login());
    },
  },
  {
    code: 'audience-mismatch',
    title: 'a login was signed for another server',
    prepare: async (scene) => {
      const device = stranger(scene);
      await device.enrol();
      const bytes = await device.login({ audience: 'https://elsewhere.example' });
      return posting(device, 'sessions', bytes);
    },
  },
  {
    code: 'challenge-unknown',
    title: 'a login comes again with the same nonce',
    prepare: async (scene) => {
      const device = stranger(scene);
      await device.enrol();
      const bytes = await device.login();
      await device.post('sessions', bytes);
      return posting(device, 'sessions', bytes);
    },
  },
  {
    code: 'challenge-unknown',
    title: 'a login answers too late',
    prepare: async (scene) => {
      const device = stranger(scene);
      await device.enrol();
      const bytes = await device.login();
      await scene.http.pass(limits.challengeLifeMs + 1);
      return posting(device, 'sessions', bytes);
    },
  },
  {
    code: 'threshold-unmet',
    title: 'one of two keys has signed what both must sign',
    prepare: async () => {
      const [one, two] = [seededSigner('one'), seededSigner('two')];
      const opened = [one, two].flatMap((key) => openVerifyingKey(key.publicKey) ?? []);
      const keys = { role: 'director', keys: opened, threshold: 2 } as const;
      const bytes = await signEnvelope('desired', utf8('{}'), [one]);
      return () => codeOfResult(verifyEnvelope('desired', keys, bytes));
    },
  },
];

export const envelopes = atDoor({
  name: 'an envelope to the server',
  open: () => ServerScene.open(),
  cases: [...enrolling, ...loggingIn],
});
