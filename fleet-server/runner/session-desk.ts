import { createDecoder } from '../../shared/codec/validator.ts';
import {
  type Challenge,
  type Enrolment,
  EnrolmentSchema,
  type EnrolmentState,
  type LoginAssertion,
  LoginAssertionSchema,
  type SessionGrant,
} from '../../shared/contracts/enrolment.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { DeviceAddress } from '../../shared/contracts/topics.ts';
import { bytesOfBase64, bytesOfHex, hexOf, textOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { Epoch } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Random } from '../../shared/ports/random.ts';
import type { Signer } from '../../shared/ports/signer.ts';
import { readEnvelope, signEnvelope, verifyEnvelope } from '../../shared/trust/dsse.ts';
import { openVerifyingKey } from '../../shared/trust/ed25519.ts';
import { sha256Hex } from '../../shared/trust/hash.ts';

import { decideEnrolment } from '../core/enrolment/decide-enrolment.ts';
import type { Device } from '../core/model/device.ts';
import { cellOf } from '../core/rollout/cells.ts';
import type { TokenIssuer } from '../ports/session-tokens.ts';
import type { Store, StoreTx } from '../ports/store.ts';
import { appendAudit } from './append-audit.ts';
import type { LiveSessions, OpenedSession } from './live-sessions.ts';

export interface SessionDeskOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly director: Signer;
  readonly tokens: TokenIssuer;
  readonly sessions: LiveSessions;
  /** Secret under which device ids are spread over cells. */
  readonly cellKey: Uint8Array;
  /** This server's own name in assertions: `http://127.0.0.1:8080`. */
  readonly audience: string;
  readonly brokerUrl: string;
  readonly jitterMs: number;
}

export interface DeskFailure {
  readonly code: string;
  readonly message: string;
}

const decodeEnrolment = createDecoder(EnrolmentSchema, limits.enrolmentBytesMax);
const decodeAssertion = createDecoder(LoginAssertionSchema, limits.enrolmentBytesMax);

/** Where a device becomes known and opens its sessions. The device's clock plays no part in any of it. */
export class SessionDesk {
  readonly #options: SessionDeskOptions;

  constructor(options: SessionDeskOptions) {
    this.#options = options;
  }

  /**
   * A nonce to answer within a minute. A flood for one device is bounded: the oldest are forgotten
   * with their expiry.
   */
  async challenge(address: DeviceAddress): Promise<Result<Challenge, DeskFailure>> {
    const { store, clock, random } = this.#options;
    const nowMs = clock.nowMs();
    const nonce = hexOf(random.bytes(32));
    const expiresAtMs = nowMs + limits.challengeLifeMs;
    return store.transaction(async (tx) => {
      await tx.challenges.removeExpired(address.fleet, nowMs);
      const waiting = await tx.challenges.count(address.fleet, address.device);
      if (waiting >= limits.challengesPerDeviceMax) {
        return fail('too-many-challenges', `${waiting} challenges wait for an answer`);
      }
      await tx.challenges.insert({ ...address, nonce, expiresAtMs });
      return ok({ nonce, expiresAtMs });
    });
  }

  /**
   * The key stands in the payload, so this one envelope is read before it is verified, by the very key it brings:
   * what it proves is possession, and everything else in it is judged afterwards.
   */
  async enrol(
    envelope: Uint8Array,
  ): Promise<Result<{ readonly state: EnrolmentState }, DeskFailure>> {
    const request = readEnrolment(envelope);
    if (!request.ok) return request;
    if (request.value.audience !== this.#options.audience) return this.#wrongAudience();
    const nowMs = this.#options.clock.nowMs();
    return this.#options.store.transaction(async (tx) => this.#admit(tx, request.value, nowMs));
  }

  async login(envelope: Uint8Array): Promise<Result<SessionGrant, DeskFailure>> {
    const named = payloadOf(envelope, decodeAssertion);
    if (!named.ok) return named;
    const nowMs = this.#options.clock.nowMs();
    const admitted = await this.#options.store.transaction(async (tx) =>
      this.#checkLogin(tx, { envelope, claimed: named.value, nowMs }),
    );
    return admitted.ok ? this.#grant(admitted.value) : admitted;
  }

  async #admit(
    tx: StoreTx,
    request: Enrolment,
    nowMs: number,
  ): Promise<Result<{ readonly state: EnrolmentState }, DeskFailure>> {
    const { fleet, device, nonce } = request;
    if (!(await tx.challenges.consume({ fleet, device, nonce }, nowMs))) return staleNonce();
    const claimHash = sha256Hex(utf8(request.claim));
    const claim = await tx.claims.find(fleet, claimHash);
    const known = await tx.devices.get(fleet, device);
    const decision = decideEnrolment({ request, claim, known, nowMs });
    if (!decision.ok) return fail(decision.error, `${device} was not enrolled`);
    if (decision.value.kind === 'known') return ok({ state: decision.value.state });
    const { state } = decision.value;
    await tx.claims.consume(fleet, claimHash, nowMs);
    await appendAudit(tx, {
      fleet,
      atMs: nowMs,
      actor: `device:${device}`,
      action: 'device-enrolled',
      subject: device,
      details: { state, key: keyDigestOf(request.publicKey), claim: claimHash },
    });
    await tx.devices.insert(
      this.#newDevice(request, { state, claimHash, tags: claim?.tags ?? {}, nowMs }),
    );
    return ok({ state });
  }

  #newDevice(
    request: Enrolment,
    options: Pick<Device, 'state' | 'tags'> & {
      readonly claimHash: string;
      readonly nowMs: number;
    },
  ): Device {
    const { cellKey, random } = this.#options;
    return {
      fleet: request.fleet,
      device: request.device,
      publicKey: request.publicKey,
      keyDigest: keyDigestOf(request.publicKey),
      state: options.state,
      epoch: hexOf(random.bytes(16)) as Epoch,
      cell: cellOf(cellKey, request.device),
      tags: options.tags,
      claimHash: options.claimHash,
      enrolledAtMs: options.nowMs,
      facts: {},
      zone: null,
      agentVersion: null,
      protocolMin: null,
      protocolMax: null,
      online: false,
      lastSeenMs: null,
      presenceBoot: null,
      presenceSeq: 0,
      reportedNumber: null,
      seenDirectorVersion: 0,
      seenGeneration: 0,
      issuedDirectorVersion: 0,
      issuedGeneration: 0,
      needsReport: false,
    };
  }

  async #checkLogin(
    tx: StoreTx,
    login: {
      readonly envelope: Uint8Array;
      readonly claimed: LoginAssertion;
      readonly nowMs: number;
    },
  ): Promise<Result<Admitted, DeskFailure>> {
    const { fleet, device, nonce } = login.claimed;
    const known = await tx.devices.get(fleet, device);
    const key = openVerifyingKey(bytesOfHex(known?.publicKey ?? '') ?? new Uint8Array());
    if (known === null || key === undefined)
      return fail('device-unknown', `${device} is not enrolled`);
    const keys = { role: 'device', keys: [key], threshold: 1 } as const;
    const verified = verifyEnvelope('loginAssertion', keys, login.envelope);
    if (!verified.ok) return verified;
    if (login.claimed.audience !== this.#options.audience) return this.#wrongAudience();
    if (!(await tx.challenges.consume({ fleet, device, nonce }, login.nowMs))) return staleNonce();
    if (known.state !== 'accepted' || known.epoch === null) return notWelcome(known);
    return ok({
      address: { fleet, device },
      epoch: known.epoch,
      deviceNonce: login.claimed.deviceNonce,
    });
  }

  /** Tokens first, because signing takes time; whether they may be handed out is judged after them. */
  async #grant({
    address,
    epoch,
    deviceNonce,
  }: Admitted): Promise<Result<SessionGrant, DeskFailure>> {
    const { clock, random, director, tokens } = this.#options;
    const ttlMs = limits.sessionTokenTtlMsMax;
    const broker = await tokens.issue(address, { audience: 'skein-broker', ttlMs });
    const access = await tokens.issue(address, { audience: 'skein-device-api', ttlMs });
    const nowMs = clock.nowMs();
    const key = random.bytes(32);
    const { jti, expiresAtMs } = broker;
    const opened = await this.#open({ address, jti, epoch, key, expiresAtMs }, nowMs);
    if (!opened.ok) return opened;
    const serverTime = utf8(canonicalJson({ deviceNonce, nowMs }));
    return ok({
      epoch,
      brokerToken: broker.token,
      accessToken: access.token,
      sessionKey: hexOf(key),
      expiresInMs: expiresAtMs - nowMs,
      serverTime: textOf(await signEnvelope('serverTime', serverTime, [director])) ?? '',
      brokerUrl: this.#options.brokerUrl,
      jitterMs: this.#options.jitterMs,
    });
  }

  /**
   * INVARIANT: no live session of a decommissioned device. A decommission is written by the same one writer and closes
   * the live session afterwards: one that came first is seen here, one that comes later finds the session to close.
   */
  async #open(session: OpenedSession, nowMs: number): Promise<Result<void, DeskFailure>> {
    const { store, sessions } = this.#options;
    const { address, jti, epoch, expiresAtMs } = session;
    const { fleet, device } = address;
    try {
      return await store.transaction<Result<void, DeskFailure>>(async (tx) => {
        const known = await tx.devices.get(fleet, device);
        if (known === null) return fail('device-unknown', `${device} is not enrolled`);
        if (known.state !== 'accepted') return notWelcome(known);
        if (known.epoch !== epoch) {
          return fail('epoch-mismatch', `${device} was enrolled anew meanwhile`);
        }
        if (!sessions.open(session, nowMs)) {
          return fail('too-many-sessions', 'the session table is full');
        }
        await tx.sessions.removeOf(fleet, device);
        await tx.sessions.insert({ ...address, jti, epoch, expiresAtMs });
        return ok(undefined);
      });
    } catch (error) {
      // Its row was taken back, and nobody was given its key.
      sessions.close(address, jti);
      throw error;
    }
  }

  #wrongAudience(): Result<never, DeskFailure> {
    return fail('audience-mismatch', `this server is ${this.#options.audience}`);
  }
}

interface Admitted {
  readonly address: DeviceAddress;
  readonly epoch: Epoch;
  readonly deviceNonce: string;
}

function readEnrolment(envelope: Uint8Array): Result<Enrolment, DeskFailure> {
  const request = payloadOf(envelope, decodeEnrolment);
  if (!request.ok) return request;
  const key = openVerifyingKey(bytesOfHex(request.value.publicKey) ?? new Uint8Array());
  if (key === undefined) return fail('signature-invalid', 'the public key is no Ed25519 key');
  const keys = { role: 'device', keys: [key], threshold: 1 } as const;
  const verified = verifyEnvelope('enrolment', keys, envelope);
  return verified.ok ? request : verified;
}

/** Reads what the payload claims, to know which key must have signed it; believed only after verification. */
function payloadOf<T>(
  envelope: Uint8Array,
  decode: (
    bytes: Uint8Array,
  ) => Result<T, { readonly code: string; readonly pointer: string; readonly message: string }>,
): Result<T, DeskFailure> {
  const read = readEnvelope(envelope);
  if (!read.ok) return read;
  const payload = bytesOfBase64(read.value.payload);
  if (payload === undefined) return fail('malformed-envelope', 'payload is not base64');
  const decoded = decode(payload);
  return decoded.ok
    ? decoded
    : fail(decoded.error.code, `${decoded.error.pointer} ${decoded.error.message}`);
}

/** sha256 of the raw public key, hexadecimal: how envelopes name a device's key. */
const keyDigestOf = (publicKey: string): string =>
  sha256Hex(bytesOfHex(publicKey) ?? new Uint8Array());

const notWelcome = ({ state, device }: Device): Result<never, DeskFailure> =>
  fail(`device-${state}`, `${device} is ${state}`);

const staleNonce = (): Result<never, DeskFailure> =>
  fail('challenge-unknown', 'the nonce is unknown, used or expired');

const fail = (code: string, message: string): Result<never, DeskFailure> => err({ code, message });
