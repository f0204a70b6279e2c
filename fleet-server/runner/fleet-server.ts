import { limits } from '../../shared/contracts/limits.ts';
import { hexOf } from '../../shared/core/bytes.ts';
import { Doorbell } from '../../shared/core/doorbell.ts';
import type { BootId, Digest, FleetId } from '../../shared/core/ids.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { KeyStore } from '../../shared/ports/key-store.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import type { Random } from '../../shared/ports/random.ts';
import type { Zones } from '../../shared/ports/zones.ts';
import type { Broker } from '../ports/broker.ts';
import type { TokenIssuer, TokenVerifier } from '../ports/session-tokens.ts';
import type { Store } from '../ports/store.ts';
import { Director } from './director.ts';
import { EventKeeper } from './event-keeper.ts';
import {
  createFederation,
  type Federation,
  type FederationPorts,
} from './federation/federation.ts';
import { HeadSigner } from './head-signer.ts';
import { LiveSessions } from './live-sessions.ts';
import { ReportIntake } from './report-intake.ts';
import { findPlaces } from './rollout/cohort-places.ts';
import { ControlMemo } from './rollout/control-memo.ts';
import { RolloutBook } from './rollout/rollout-book.ts';
import { RolloutDesk } from './rollout/rollout-desk.ts';
import { createTokenGate } from './session/token-gate.ts';
import { SessionDesk } from './session-desk.ts';
import { TelemetryIntake } from './telemetry-intake.ts';
import { Uplink } from './uplink.ts';
import { WindowKeeper } from './window-keeper.ts';
import { WitnessIntake } from './witness-intake.ts';

export interface FleetServerPorts {
  readonly store: Store;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly random: Random;
  readonly zones: Zones;
  readonly keys: KeyStore;
  readonly tokens: TokenIssuer & TokenVerifier;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Without it no federated rounds are held. */
  readonly federation?: FederationPorts;
}

export interface FleetServerOptions {
  readonly boot: BootId;
  readonly audience: string;
  readonly brokerUrl: string;
  readonly cellKey: Uint8Array;
  readonly directorVersion: number;
  readonly orderLifeMs: number;
  readonly jitterMs: number;
  /** Sealed windows older than this many days go; `limits.windowDaysKept` when absent. */
  readonly windowDaysKept?: number;
  /** Digests that must not run, as the newest `revoked.json` says. */
  readonly revoked: () => ReadonlySet<Digest>;
  /** Audit keys that `director.json` names beside the server's own: heads signed before a rotation stay witnesses. */
  readonly auditKeys?: () => readonly string[];
}

/** The fleet server without its front doors: puts the runners together and keeps their loops going. */
export class FleetServer {
  readonly sessions: SessionDesk;
  readonly rollouts: RolloutDesk;
  readonly reports: ReportIntake;
  readonly book: RolloutBook;
  readonly director: Director;
  readonly heads: HeadSigner;
  readonly live = new LiveSessions();
  /** Resolves when the broker takes connections. */
  readonly opened: Promise<void>;
  #markOpened: () => void = () => undefined;
  readonly federation: Federation | undefined;
  readonly #ports: FleetServerPorts;
  readonly #telemetry: TelemetryIntake;
  readonly #uplink: Uplink;
  readonly #bell = new Doorbell();
  readonly #evidence = new Doorbell();
  readonly #windowDaysKept: number;

  constructor(ports: FleetServerPorts, options: FleetServerOptions) {
    this.opened = new Promise((resolve) => {
      this.#markOpened = resolve;
    });
    this.#ports = ports;
    this.#windowDaysKept = options.windowDaysKept ?? limits.windowDaysKept;
    const { store, broker, clock, random, zones, keys, tokens, log, metrics } = ports;
    const { boot, audience, brokerUrl, cellKey, directorVersion, orderLifeMs, jitterMs } = options;
    const signer = keys.signer('director');
    const heads = new HeadSigner(keys.signer('audit'));
    const auditKeys = () => [hexOf(heads.publicKey), ...(options.auditKeys?.() ?? [])];
    const witnesses = new WitnessIntake({ clock, log, auditKeys });
    const director = new Director({
      ...{ store, clock, random, broker, signer, heads, directorVersion, boot, orderLifeMs },
      revoked: options.revoked,
    });
    const book = new RolloutBook();
    const memo = new ControlMemo();
    const { revoked } = options;
    const desk = new RolloutDesk({
      ...{ store, clock, random, zones, director, book, revoked, jitterMs },
    });
    const reports = new ReportIntake({
      ...{ store, clock, zones, book, desk, director, witnesses, metrics },
    });
    const sessions = this.live;
    this.#telemetry = new TelemetryIntake({
      ...{ store, clock, log, metrics },
      releaseAck: (ack) => this.#uplink.sendAck(ack),
      counted: () => this.#evidence.ring(),
      places: (tx, fleet, devices) =>
        findPlaces(tx, { fleet, devices, book, memo, nowMs: clock.nowMs() }),
    });
    this.federation =
      ports.federation === undefined
        ? undefined
        : createFederation({
            ...{ store, broker, clock, random, keys, log, boot, rollouts: desk },
            ...ports.federation,
            wake: () => this.wake(),
          });
    this.#uplink = new Uplink({
      ...{ store, clock, random, metrics, broker, sessions, reports, director, boot },
      telemetry: this.#telemetry,
      ...(this.federation === undefined ? {} : { rounds: this.federation }),
    });
    this.sessions = new SessionDesk({
      ...{ store, clock, random, tokens, sessions, cellKey, audience, brokerUrl, jitterMs },
      director: signer,
    });
    this.rollouts = desk;
    this.reports = reports;
    this.book = book;
    this.director = director;
    this.heads = heads;
  }

  /** Something happened that a rollout may have waited for. */
  wake(): void {
    this.#bell.ring();
  }

  /** Opens the broker and runs until the signal aborts. Rejects when the store is beyond repair. */
  async run(signal: AbortSignal): Promise<void> {
    const { broker, tokens, store, clock, log } = this.#ports;
    const gate = createTokenGate(tokens, (address, jti) => this.#admission(address, jti));
    await broker.start(gate, { received: (message) => this.#receive(message) });
    this.#markOpened();
    await Promise.all([
      this.#telemetry.run(signal),
      this.#turnRollouts(signal),
      new EventKeeper({ store, clock, log }).run(signal),
      new WindowKeeper({ store, clock, log, daysKept: this.#windowDaysKept }).run(signal),
      this.federation?.desk.run(signal),
    ]);
    await broker.close();
  }

  #receive(message: Parameters<Uplink['receive']>[0]): Promise<void> | undefined {
    const received = this.#uplink.receive(message);
    return message.kind === 'reported' ? received?.then(() => this.#bell.ring()) : received;
  }

  /** A token opens the broker only while its session is the device's newest one and the device is welcome. */
  async #admission(
    address: {
      readonly fleet: FleetId;
      readonly device: Parameters<LiveSessions['find']>[0]['device'];
    },
    jti: string,
  ): Promise<'ok' | 'login-refused'> {
    const live = this.live.find(address, this.#ports.clock.nowMs());
    return live?.jti === jti ? 'ok' : 'login-refused';
  }

  /**
   * Looks at every open rollout when something happened, soon after windows that count for one, and at the latest when
   * the clock alone may change something.
   */
  async #turnRollouts(signal: AbortSignal): Promise<void> {
    const { store, clock, log } = this.#ports;
    const stop = (): void => this.#bell.ring();
    signal.addEventListener('abort', stop, { once: true });
    while (!signal.aborted) {
      const beganMs = clock.monotonicMs();
      let moved = false;
      const fleets = await store.read((view) => view.fleets.list());
      for (const { fleet } of fleets) {
        try {
          moved = (await this.rollouts.turn(fleet)) || moved;
        } catch (error) {
          log.error(
            { event: 'rollout-turn-failed', fleet, code: codeOf(error), error },
            'a turn failed; the next one tries again',
          );
        }
      }
      const restMs = this.rollouts.restMs(fleets.map(({ fleet }) => fleet));
      const pauseMs = moved ? limits.rolloutTurnMsMin : restMs;
      const woken = new AbortController();
      const alarm = clock.sleepUntil(clock.monotonicMs() + pauseMs, woken.signal);
      const judged = this.#evidence
        .wait()
        .then(() => clock.sleepUntil(beganMs + limits.rolloutTurnMs, woken.signal));
      await (moved ? alarm : Promise.race([alarm, judged, this.#bell.wait()]));
      woken.abort();
      if (!moved) await clock.sleepUntil(clock.monotonicMs() + limits.rolloutWakeMs, signal);
    }
  }
}
