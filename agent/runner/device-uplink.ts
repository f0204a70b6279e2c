import { decodeFrame, encodeFrame, type Frame, isFrameExpired } from '../../shared/codec/frame.ts';
import { createDecoder } from '../../shared/codec/validator.ts';
import type { SessionGrant } from '../../shared/contracts/enrolment.ts';
import { limits } from '../../shared/contracts/limits.ts';
import {
  type DeviceAddress,
  type DownKind,
  downFilter,
  downKinds,
  downTopic,
  type UpKind,
  upTopic,
} from '../../shared/contracts/topics.ts';
import { AckSchema } from '../../shared/contracts/window.ts';
import { bytesOfHex, hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { BootId } from '../../shared/core/ids.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { Random } from '../../shared/ports/random.ts';
import type { Transport, TransportSession } from '../../shared/ports/transport.ts';
import { isSessionMacValid, sessionMac } from '../../shared/trust/session-mac.ts';
import { FlightWatch } from './flight-watch.ts';
import type { FrameRefusals } from './frame-refusals.ts';
import type { OutboxWriter } from './outbox-writer.ts';
import type { SpreadWindow } from './spread-window.ts';

export interface DeviceUplinkOptions {
  readonly address: DeviceAddress;
  readonly boot: BootId;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly outbox: OutboxWriter;
  readonly spread: Pick<SpreadWindow, 'widthMs'>;
  readonly refusals: Pick<FrameRefusals, 'note'>;
  /** Absent until a nonce-bound server signature vouched for a time in this boot. */
  readonly trustedNowMs: () => number | undefined;
  /** A director's envelope for this device, judged by its own signature: the code of a refusal, if any. */
  readonly received: (kind: DownKind, envelope: Uint8Array) => Promise<string | undefined>;
}

const decodeAck = createDecoder(AckSchema, 1024);

/** One session on the hint channel: frames out with the session's MAC, envelopes and acknowledgements in. */
export class DeviceUplink {
  readonly #options: DeviceUplinkOptions;
  readonly #receiving = new Set<Promise<void>>();
  #connections = 0;
  #seq = 0;

  constructor(options: DeviceUplinkOptions) {
    this.#options = options;
  }

  /**
   * Connects, says `online` and hands the outbox over. `closed` is called once when the session
   * ends by itself. Throws what
   * `Transport.connect` throws.
   */
  async open(grant: SessionGrant, closed: (reason: string) => void): Promise<OpenUplink> {
    const { address, transport, outbox } = this.#options;
    const flight = new FlightWatch(this.#options);
    const over = new AbortController();
    const key = bytesOfHex(grant.sessionKey) ?? new Uint8Array();
    // Presence counts by itself: of each connection's two numbers the birth has the lower, the will the higher.
    const birth = 2 * this.#connections;
    this.#connections += 1;
    const frame = (kind: UpKind, body: Uint8Array, seq: number): Uint8Array =>
      this.#frame(grant, { kind, body, seq, key });
    const presence = (state: 'online' | 'offline') => utf8(canonicalJson({ state }));
    const session = await transport.connect(
      {
        clientId: address.device,
        password: grant.brokerToken,
        will: {
          topic: upTopic(address, 'presence'),
          bytes: frame('presence', presence('offline'), birth + 1),
        },
        subscribe: [downFilter(address)],
        keepaliveMs: limits.keepaliveMs,
        url: grant.brokerUrl,
      },
      {
        received: async (topic, bytes) => {
          await this.#track(this.#receive(grant, key, { topic, bytes }));
          flight.notice();
        },
        closed: (reason) => {
          over.abort();
          outbox.closeSession();
          closed(reason);
        },
      },
    );
    const send = async (kind: UpKind, body: Uint8Array): Promise<void> => {
      this.#seq += 1;
      await session.publish(upTopic(address, kind), frame(kind, body, this.#seq));
    };
    const online = frame('presence', presence('online'), birth);
    await session.publish(upTopic(address, 'presence'), online);
    await outbox.openSession((window) => {
      flight.notice();
      return send('window', window.body);
    });
    void this.#track(flight.run(over.signal));
    const close = (): Promise<void> => {
      over.abort();
      return this.#close(session);
    };
    return { send, close };
  }

  /** Resolves when every message that has arrived was taken or has failed. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#receiving]);
  }

  async #track(receiving: Promise<void>): Promise<void> {
    this.#receiving.add(receiving);
    try {
      await receiving;
    } finally {
      this.#receiving.delete(receiving);
    }
  }

  async #close(session: TransportSession): Promise<void> {
    this.#options.outbox.closeSession();
    await session.close();
  }

  #frame(
    grant: SessionGrant,
    part: {
      readonly kind: UpKind;
      readonly body: Uint8Array;
      readonly seq: number;
      readonly key: Uint8Array;
    },
  ): Uint8Array {
    const { address, boot, clock, random } = this.#options;
    const { epoch } = grant;
    const { kind, body, seq, key } = part;
    const context = { kind: `up/${kind}`, device: address.device, epoch, boot, seq } as const;
    const mac = sessionMac(key, context, body);
    const id = hexOf(random.bytes(8));
    return encodeFrame({ v: 1, id, ts: clock.nowMs(), epoch, boot, seq, mac }, body);
  }

  async #receive(
    grant: SessionGrant,
    key: Uint8Array,
    message: { readonly topic: string; readonly bytes: Uint8Array },
  ): Promise<void> {
    const { address, received, refusals, trustedNowMs } = this.#options;
    const kind = downKinds.find((candidate) => downTopic(address, candidate) === message.topic);
    const frame = decodeFrame(message.bytes);
    let code: string | undefined;
    if (!frame.ok) code = frame.error.code;
    else if (kind === undefined) code = 'kind-not-expected';
    else if (isFrameExpired(frame.value.header, trustedNowMs())) code = 'frame-expired';
    else if (kind === 'ack') code = await this.#takeAck(grant, key, frame.value);
    else code = await received(kind, frame.value.body);
    if (code !== undefined) refusals.note(code, kind);
  }

  async #takeAck(grant: SessionGrant, key: Uint8Array, frame: Frame): Promise<string | undefined> {
    const { address, outbox } = this.#options;
    const { header, body } = frame;
    const { epoch, boot, seq, mac } = header;
    if (epoch !== grant.epoch) return 'epoch-mismatch';
    const context = { kind: 'dn/ack', device: address.device, epoch, boot, seq } as const;
    if (!isSessionMacValid(key, context, { body, mac })) return 'mac-invalid';
    // An old acknowledgement can only repeat what is durable anyway, so its number needs no guard.
    const ack = decodeAck(body);
    if (!ack.ok) return ack.error.code;
    await outbox.acknowledge(ack.value);
    return undefined;
  }
}

export interface OpenUplink {
  /** Resolves when the broker has it, which proves nothing. */
  send(kind: UpKind, body: Uint8Array): Promise<void>;
  close(): Promise<void>;
}
