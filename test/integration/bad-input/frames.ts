import type { PayloadKind } from '../../../shared/contracts/payload-types.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../../shared/core/canonical-json.ts';
import type { Epoch } from '../../../shared/core/ids.ts';
import { signEnvelope } from '../../../shared/trust/dsse.ts';
import { seededSigner } from '../../../sim/world/seeded-keys.ts';
import { atDoor, type BadCase, type Scene } from './bad-case.ts';
import { BadDevice, type BadSession } from './enrolled-device.ts';
import { ServerScene } from './server-scene.ts';

interface FrameScene extends Scene {
  readonly server: ServerScene;
  readonly session: BadSession;
}

async function open(): Promise<FrameScene> {
  const server = await ServerScene.open();
  const session = await new BadDevice(server, 'edge-1').connect();
  return { server, session, state: () => server.state(), close: () => server.close() };
}

const foreignEpoch = 'f'.repeat(32) as Epoch;

/** A report as the device would sign it. */
async function report(
  { device, epoch, boot }: BadSession,
  options: {
    readonly change?: Readonly<Record<string, Json>>;
    readonly kind?: PayloadKind;
    readonly signer?: BadDevice['key'];
  } = {},
): Promise<Uint8Array> {
  const { change = {}, kind = 'reported', signer = device.key } = options;
  const payload = {
    ...{ ...device.address, epoch, boot, number: 1, atMs: 1, apps: [], refused: [] },
    ...{ seen: { directorVersion: 0, generation: 0 }, agentVersion: '0.1.0', facts: {} },
    protocol: { min: 1, max: 1 },
    ...change,
  };
  return signEnvelope(kind, utf8(canonicalJson(payload)), [signer]);
}

const framed = ({ session }: FrameScene, body: string | Uint8Array): Uint8Array =>
  session.frame('window', typeof body === 'string' ? utf8(body) : body);

const reported = async (scene: FrameScene, options: Parameters<typeof report>[1] = {}) => {
  const { session } = scene;
  const bytes = session.frame('reported', await report(session, options));
  return () => session.send('reported', bytes);
};

/** Its frame is on the way, under a session that is still open, when somebody ends the device. */
const decommissioned = async ({ server, session }: FrameScene): Promise<void> => {
  const { fleet, device } = session.device.address;
  const ended = { state: 'decommissioned', online: false } as const;
  await server.http.store.transaction((tx) => tx.devices.update(fleet, device, ended));
};

const cases: readonly BadCase<FrameScene>[] = [
  {
    code: 'malformed-frame',
    title: 'a frame has no header line',
    prepare:
      ({ session }) =>
      () =>
        session.send('window', utf8('{}')),
  },
  {
    code: 'malformed-frame',
    title: 'a header says a field twice',
    prepare: (scene) => {
      const twice = Buffer.from(framed(scene, '{}')).toString().replace('{"v":1', '{"v":1,"v":1');
      return () => scene.session.send('window', utf8(twice));
    },
  },
  {
    code: 'mac-invalid',
    title: 'a body was changed on its way',
    prepare: (scene) => {
      const bytes = framed(scene, '{"first":1}');
      bytes[bytes.length - 2] = 0x32;
      return () => scene.session.send('window', bytes);
    },
  },
  {
    code: 'mac-invalid',
    title: 'a frame of one kind is sent as another',
    prepare: (scene) => {
      const bytes = framed(scene, '{"state":"online"}');
      return () => scene.session.send('presence', bytes);
    },
  },
  {
    code: 'frame-replayed',
    title: 'a frame comes again after a newer one',
    prepare: async (scene) => {
      const [older, newer] = [framed(scene, '{}'), framed(scene, '{}')];
      await scene.session.send('window', newer);
      return () => scene.session.send('window', older);
    },
  },
  {
    code: 'frame-expired',
    title: 'a frame comes after the instant up to which it was to be taken',
    prepare: ({ session }) => {
      const bytes = session.frame('window', utf8('{}'), { exp: 1 });
      return () => session.send('window', bytes);
    },
  },
  {
    code: 'epoch-mismatch',
    title: 'a frame names an earlier enrolment',
    prepare: ({ session }) => {
      const bytes = session.frame('window', utf8('{}'), { epoch: foreignEpoch });
      return () => session.send('window', bytes);
    },
  },
  {
    code: 'kind-not-expected',
    title: 'an answer comes to a question that nobody asked',
    prepare: ({ session }) => {
      const bytes = session.frame('result', utf8('{}'));
      return () => session.send('result', bytes);
    },
  },
  {
    code: 'malformed-json',
    title: 'a window says a key twice',
    prepare: (scene) => {
      const bytes = framed(scene, '{"first":1,"first":2}');
      return () => scene.session.send('window', bytes);
    },
  },
  {
    code: 'schema-mismatch',
    title: 'a window lacks everything',
    prepare: (scene) => {
      const bytes = framed(scene, '{}');
      return () => scene.session.send('window', bytes);
    },
  },
  {
    code: 'malformed-envelope',
    title: 'a report is no envelope',
    prepare: ({ session }) => {
      const bytes = session.frame('reported', utf8('{"payload":""}'));
      return () => session.send('reported', bytes);
    },
  },
  {
    code: 'wrong-payload-type',
    title: 'a signed login stands in the place of a report',
    prepare: (scene) => reported(scene, { kind: 'loginAssertion' }),
  },
  {
    code: 'unknown-key',
    title: 'a report is signed by the key of another device',
    prepare: (scene) => reported(scene, { signer: seededSigner('edge-2') }),
  },
  {
    code: 'signature-invalid',
    title: 'a report carries the signature of another report',
    prepare: async (scene) => {
      const { session } = scene;
      const good = JSON.parse(Buffer.from(await report(session)).toString()) as { payload: string };
      const other = JSON.parse(
        Buffer.from(await report(session, { change: { number: 2 } })).toString(),
      ) as object;
      const mixed = utf8(canonicalJson({ ...other, payload: good.payload }));
      const bytes = session.frame('reported', mixed);
      return () => session.send('reported', bytes);
    },
  },
  {
    code: 'report-for-another',
    title: 'a device reports for its neighbour',
    prepare: (scene) => reported(scene, { change: { device: 'edge-2' } }),
  },
  {
    code: 'epoch-mismatch',
    title: 'a report is of an earlier enrolment',
    prepare: (scene) => reported(scene, { change: { epoch: foreignEpoch } }),
  },
  {
    code: 'schema-mismatch',
    title: 'a report names a code that is none',
    prepare: (scene) => reported(scene, { change: { refused: [{ reason: 'A B' }] } }),
  },
  {
    code: 'device-decommissioned',
    title: 'a report arrives after its device was ended',
    prepare: async (scene) => {
      await decommissioned(scene);
      return reported(scene);
    },
  },
  {
    code: 'device-decommissioned',
    title: 'a device that was ended says that it is online',
    prepare: async (scene) => {
      await decommissioned(scene);
      const bytes = scene.session.frame('presence', utf8('{"state":"online"}'));
      return () => scene.session.send('presence', bytes);
    },
  },
  {
    code: 'session-unknown',
    title: 'a frame outlives its session',
    prepare: (scene) => {
      const bytes = framed(scene, '{}');
      scene.server.http.server.live.close(scene.session.device.address);
      return () => scene.session.send('window', bytes);
    },
  },
];

export const frames = atDoor({ name: 'a frame to the server', open, cases });
