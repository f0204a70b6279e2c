import { encodeFrame } from '../../../shared/codec/frame.ts';
import type { Enrolment } from '../../../shared/contracts/enrolment.ts';
import { type ErrorCode, errorCodes } from '../../../shared/contracts/error-codes.ts';
import type { FrameHeader } from '../../../shared/contracts/frame.ts';
import { downFilter, type UpKind, upTopic } from '../../../shared/contracts/topics.ts';
import { bytesOfHex, hexOf, utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../../shared/core/canonical-json.ts';
import type { BootId, DeviceId, Epoch } from '../../../shared/core/ids.ts';
import type { TransportSession } from '../../../shared/ports/transport.ts';
import { signEnvelope } from '../../../shared/trust/dsse.ts';
import { sessionMac } from '../../../shared/trust/session-mac.ts';
import { seededSigner } from '../../../sim/world/seeded-keys.ts';
import { type AnswerBody, testOrigin } from '../../support/http-world.ts';
import { plant } from '../../support/store-nouns.ts';
import type { ServerScene } from './server-scene.ts';

/** Messages of a device, each good unless a case changes something of it. */
export class BadDevice {
  readonly address;
  readonly key;
  readonly #scene: ServerScene;

  constructor(scene: ServerScene, name: string) {
    this.#scene = scene;
    this.address = { fleet: plant, device: name as DeviceId };
    this.key = seededSigner(name);
  }

  post(path: string, payload: Uint8Array | string) {
    return this.#scene.http.ask(undefined, {
      method: 'POST',
      url: `/device/v1/${path}`,
      headers: { 'content-type': 'application/json' },
      payload: Buffer.from(payload),
    });
  }

  async nonce(): Promise<string> {
    return (await this.post('challenges', canonicalJson(this.address))).json<AnswerBody>().nonce;
  }

  async enrolment(
    claim: string,
    options: { readonly change?: Partial<Enrolment>; readonly signer?: BadDevice['key'] } = {},
  ): Promise<Uint8Array> {
    const { change = {}, signer = this.key } = options;
    const publicKey = hexOf(signer.publicKey);
    const nonce = await this.nonce();
    const payload = { ...this.address, nonce, audience: testOrigin, claim, publicKey, ...change };
    return signEnvelope('enrolment', utf8(canonicalJson(payload)), [signer]);
  }

  async login(change: Record<string, Json> = {}): Promise<Uint8Array> {
    const deviceNonce = '1'.repeat(64);
    const nonce = await this.nonce();
    const payload = { ...this.address, nonce, audience: testOrigin, deviceNonce, ...change };
    return signEnvelope('loginAssertion', utf8(canonicalJson(payload)), [this.key]);
  }

  async claim(change: object = {}): Promise<string> {
    const { http } = this.#scene;
    const body = { preAuthorized: true, ...change };
    return (await http.post(http.admin, '/fleets/plant/claims', { body })).json<AnswerBody>().claim;
  }

  async enrol(): Promise<void> {
    await this.post('enrolments', await this.enrolment(await this.claim()));
  }

  /** Enrols, logs in and connects to the broker. */
  async connect(): Promise<BadSession> {
    const { http } = this.#scene;
    await this.enrol();
    const grant = (await this.post('sessions', await this.login())).json<{
      readonly epoch: Epoch;
      readonly sessionKey: string;
      readonly brokerToken: string;
    }>();
    const connecting = http.broker.transport(this.address.device).connect(
      {
        clientId: this.address.device,
        password: grant.brokerToken,
        will: { topic: upTopic(this.address, 'presence'), bytes: utf8('offline') },
        subscribe: [downFilter(this.address)],
        keepaliveMs: 600_000,
      },
      { received: () => undefined, closed: () => undefined },
    );
    await http.pass(200);
    const key = bytesOfHex(grant.sessionKey) ?? new Uint8Array();
    return new BadSession({
      scene: this.#scene,
      device: this,
      link: await connecting,
      ...grant,
      key,
    });
  }
}

/** A device in a session; numbers its frames by itself unless told otherwise. */
export class BadSession {
  readonly device: BadDevice;
  readonly epoch: Epoch;
  readonly boot = 'b'.repeat(32) as BootId;
  readonly #scene: ServerScene;
  readonly #link: TransportSession;
  readonly #key: Uint8Array;
  #seq = 0;

  constructor(parts: {
    readonly scene: ServerScene;
    readonly device: BadDevice;
    readonly link: TransportSession;
    readonly epoch: Epoch;
    readonly key: Uint8Array;
  }) {
    this.device = parts.device;
    this.epoch = parts.epoch;
    this.#scene = parts.scene;
    this.#link = parts.link;
    this.#key = parts.key;
  }

  frame(kind: UpKind, body: Uint8Array, change: Partial<FrameHeader> = {}): Uint8Array {
    this.#seq += 1;
    const numbers = { epoch: this.epoch, boot: this.boot, seq: this.#seq, ...change };
    const context = { kind: `up/${kind}`, device: this.device.address.device, ...numbers } as const;
    const mac = sessionMac(this.#key, context, body);
    return encodeFrame({ v: 1, id: '0'.repeat(16), ts: 1, mac, ...numbers }, body);
  }

  /** The code under which the server refused it. */
  send(kind: UpKind, bytes: Uint8Array): Promise<string> {
    const { http } = this.#scene;
    return this.#scene.refusedFrame(Object.keys(errorCodes) as ErrorCode[], async () => {
      const sent = this.#link.publish(upTopic(this.device.address, kind), bytes);
      await http.pass(100);
      await sent;
    });
  }
}
