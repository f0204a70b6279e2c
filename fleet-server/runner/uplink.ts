import { decodeFrame, encodeFrame, type Frame, isFrameExpired } from '../../shared/codec/frame.ts';
import { createDecoder } from '../../shared/codec/validator.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { DeviceAddress } from '../../shared/contracts/topics.ts';
import { PresenceSchema, WindowSchema } from '../../shared/contracts/window.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { BootId } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import type { Random } from '../../shared/ports/random.ts';
import { isSessionMacValid, sessionMac } from '../../shared/trust/session-mac.ts';
import { decidePresence } from '../core/session/presence.ts';
import { decideReplay } from '../core/session/replay-guard.ts';
import type { Broker, UpMessage } from '../ports/broker.ts';
import type { Store } from '../ports/store.ts';
import type { WindowAck } from './commit-windows.ts';
import type { Director } from './director.ts';
import type { RoundDesk } from './federation/round-desk.ts';
import type { UpdateIntake } from './federation/update-intake.ts';
import type { LiveSession, LiveSessions } from './live-sessions.ts';
import type { ReportIntake } from './report-intake.ts';
import type { TelemetryIntake } from './telemetry-intake.ts';

export interface UplinkOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly broker: Broker;
  readonly sessions: LiveSessions;
  readonly telemetry: TelemetryIntake;
  readonly reports: ReportIntake;
  readonly director: Director;
  readonly boot: BootId;
  /** Absent where no rounds are held. */
  readonly rounds?: {
    readonly desk: Pick<RoundDesk, 'serve'>;
    readonly updates: Pick<UpdateIntake, 'receiveReport'>;
  };
}

const decodeWindow = createDecoder(WindowSchema, limits.windowBytesMax);
const decodePresence = createDecoder(PresenceSchema, 256);

/**
 * What devices say, from the broker inwards: size, identity and topic were checked by the broker's adapter; here each
 * frame is parsed, authenticated under its session key, refused when it does not rise, validated, and handed to the one
 * who counts it. The broker may be hostile: nothing before the MAC has an effect.
 */
export class Uplink {
  readonly #options: UplinkOptions;

  constructor(options: UplinkOptions) {
    this.#options = options;
  }

  /** Resolves when the message has had its effect; a window, of which there are most, needs no wait. */
  receive(message: UpMessage): Promise<void> | undefined {
    const taken = this.#take(message);
    if (taken instanceof Promise) return taken.then((code) => this.#countRefusal(code));
    this.#countRefusal(taken);
    return undefined;
  }

  #countRefusal(code: string | undefined): void {
    if (code !== undefined) this.#options.metrics.count('skein_frames_refused_total', 1, { code });
  }

  /** The device's windows up to `ack.durable` are safe; sealed under its session, or not sent at all. */
  sendAck({ fleet, device, ack }: WindowAck): void {
    const { clock, broker, sessions, random, boot } = this.#options;
    const address = { fleet, device };
    const session = sessions.find(address, clock.nowMs());
    if (session === undefined) return;
    session.sentSeq += 1;
    const { epoch, expiresAtMs: exp } = session;
    const body = utf8(canonicalJson({ ...ack }));
    const context = { kind: 'dn/ack', device, epoch, boot, seq: session.sentSeq } as const;
    const mac = sessionMac(session.key, context, body);
    const id = hexOf(random.bytes(8));
    const numbers = { epoch, boot, seq: session.sentSeq } as const;
    const header = { v: 1, id, ts: clock.nowMs(), ...numbers, exp, mac } as const;
    void broker.publish(address, { kind: 'ack', bytes: encodeFrame(header, body) });
  }

  /** The code of a refusal, or `undefined` when the frame was taken or repeated. */
  #take({ address, kind, bytes }: UpMessage): string | undefined | Promise<string | undefined> {
    const { clock, sessions } = this.#options;
    const frame = decodeFrame(bytes);
    if (!frame.ok) return frame.error.code;
    const session = sessions.find(address, clock.nowMs());
    if (session === undefined) return 'session-unknown';
    const { header, body } = frame.value;
    const context = {
      kind: `up/${kind}`,
      device: address.device,
      ...numbersOf(frame.value),
    } as const;
    if (!isSessionMacValid(session.key, context, { body, mac: header.mac })) return 'mac-invalid';
    if (isFrameExpired(header, clock.nowMs())) return 'frame-expired';
    const fresh = this.#checkReplay(session, frame.value, kind === 'presence');
    if (fresh !== 'fresh') return fresh === 'repeated' ? undefined : fresh;
    switch (kind) {
      case 'window':
        return this.#takeWindow(address, body);
      case 'reported':
        return this.#takeReport(address, body);
      case 'presence':
        return this.#takePresence(address, frame.value);
      case 'round':
        return this.#takeRoundReport(address, body);
      case 'result':
        return 'kind-not-expected';
    }
  }

  /** Presence counts by itself: its will carries a number that was taken when the connection began. */
  #checkReplay(session: LiveSession, { header }: Frame, isPresence: boolean): string {
    const highWater = isPresence ? session.presenceHighWater : session.highWater;
    const names = { epoch: session.epoch, session: session.jti };
    const verdict = decideReplay(highWater, names, header);
    if (verdict.verdict === 'refused') return verdict.code;
    if (verdict.verdict === 'repeated') return 'repeated';
    if (isPresence) session.presenceHighWater = verdict.highWater;
    else session.highWater = verdict.highWater;
    return 'fresh';
  }

  #takeWindow(address: DeviceAddress, body: Uint8Array): string | undefined {
    const window = decodeWindow(body);
    if (!window.ok) return window.error.code;
    const received = {
      ...address,
      window: window.value,
      sealed: body,
      receivedAtMs: this.#options.clock.nowMs(),
    };
    const taken = this.#options.telemetry.submit(received);
    return taken.ok ? undefined : taken.error.code;
  }

  async #takeReport(address: DeviceAddress, body: Uint8Array): Promise<string | undefined> {
    const taken = await this.#options.reports.receive(address, body);
    return taken.ok ? undefined : taken.error.code;
  }

  async #takeRoundReport(address: DeviceAddress, body: Uint8Array): Promise<string | undefined> {
    const { rounds } = this.#options;
    if (rounds === undefined) return 'kind-not-expected';
    const taken = await rounds.updates.receiveReport(address, body);
    return taken.ok ? undefined : taken.error.code;
  }

  async #takePresence(
    address: DeviceAddress,
    { header, body }: Frame,
  ): Promise<string | undefined> {
    const presence = decodePresence(body);
    if (!presence.ok) return presence.error.code;
    const { store, clock, director, rounds } = this.#options;
    const { boot, seq } = header;
    const taken = await store.transaction<Result<boolean, string>>(async (tx) => {
      const device = await tx.devices.get(address.fleet, address.device);
      if (device === null) return err('device-unknown');
      // It may have been decommissioned while this frame was on its way.
      if (device.state !== 'accepted') return err(`device-${device.state}`);
      const known =
        device.presenceBoot === null
          ? undefined
          : {
              boot: device.presenceBoot,
              seq: device.presenceSeq,
              state: device.online ? ('online' as const) : ('offline' as const),
            };
      const next = decidePresence(known, { boot, seq, state: presence.value.state });
      if (next === undefined) return ok(false);
      const online = next.state === 'online';
      await tx.devices.update(address.fleet, address.device, {
        online,
        presenceBoot: next.boot,
        presenceSeq: next.seq,
        lastSeenMs: clock.nowMs(),
      });
      return ok(online);
    });
    if (!taken.ok) return taken.error;
    if (!taken.value) return undefined;
    await director.serve(address.fleet, [address.device]);
    await rounds?.desk.serve(address);
    return undefined;
  }
}

const numbersOf = ({ header: { epoch, boot, seq } }: Frame) => ({ epoch, boot, seq });
