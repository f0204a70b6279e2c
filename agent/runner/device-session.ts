import { createDecoder } from '../../shared/codec/validator.ts';
import {
  ChallengeSchema,
  EnrolmentAnswerSchema,
  type EnrolmentState,
  ServerTimeSchema,
  type SessionGrant,
  SessionGrantSchema,
} from '../../shared/contracts/enrolment.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { ProblemSchema } from '../../shared/contracts/problem.ts';
import type { DeviceAddress } from '../../shared/contracts/topics.ts';
import { concatBytes, hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../shared/core/canonical-json.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Fetcher } from '../../shared/ports/fetcher.ts';
import type { Random } from '../../shared/ports/random.ts';
import type { Signer } from '../../shared/ports/signer.ts';
import { type RoleKeys, signEnvelope, verifyEnvelope } from '../../shared/trust/dsse.ts';

export interface DeviceSessionOptions {
  readonly address: DeviceAddress;
  readonly fetcher: Fetcher;
  readonly random: Random;
  readonly deviceKey: Signer;
  /** Name of the server this device belongs to; signed into every assertion. */
  readonly audience: string;
}

export interface LoggedIn {
  readonly grant: SessionGrant;
  /** Server time bound to this login's nonce, or `undefined` when none of these keys vouches for it. */
  readonly trustedNowMs: (directorKeys: RoleKeys<'director'> | undefined) => number | undefined;
}

const decodeChallenge = createDecoder(ChallengeSchema, 4096);
const decodeEnrolmentAnswer = createDecoder(EnrolmentAnswerSchema, 4096);
const decodeGrant = createDecoder(SessionGrantSchema, limits.sessionGrantBytesMax);
const decodeServerTime = createDecoder(ServerTimeSchema, 4096);

/** Enrols and logs in over HTTP. Throws an OperatingError with the server's own code when it refuses. */
export class DeviceSession {
  readonly #options: DeviceSessionOptions;

  constructor(options: DeviceSessionOptions) {
    this.#options = options;
  }

  /** Proof of possession over (nonce, claim, key). Asking again with the same key changes nothing. */
  async enrol(claim: string): Promise<EnrolmentState> {
    const { address, audience, deviceKey } = this.#options;
    const nonce = await this.#challenge();
    const publicKey = hexOf(deviceKey.publicKey);
    const payload = { ...address, nonce, audience, claim, publicKey };
    const envelope = await this.#sign('enrolment', payload);
    return (await this.#post('/device/v1/enrolments', envelope, decodeEnrolmentAnswer)).state;
  }

  /** Its time is believed under a director's key from signed metadata; the session is in any case. */
  async login(): Promise<LoggedIn> {
    const { address, audience, random } = this.#options;
    const nonce = await this.#challenge();
    const deviceNonce = hexOf(random.bytes(32));
    const envelope = await this.#sign('loginAssertion', {
      ...address,
      nonce,
      audience,
      deviceNonce,
    });
    const grant = await this.#post('/device/v1/sessions', envelope, decodeGrant);
    return { grant, trustedNowMs: (keys) => readServerTime(grant, deviceNonce, keys) };
  }

  async #challenge(): Promise<string> {
    const body = utf8(canonicalJson({ ...this.#options.address }));
    return (await this.#post('/device/v1/challenges', body, decodeChallenge)).nonce;
  }

  #sign(kind: 'enrolment' | 'loginAssertion', payload: Json): Promise<Uint8Array> {
    return signEnvelope(kind, utf8(canonicalJson(payload)), [this.#options.deviceKey]);
  }

  async #post<T>(
    path: string,
    body: Uint8Array,
    decode: (
      bytes: Uint8Array,
    ) => { readonly ok: true; readonly value: T } | { readonly ok: false },
  ): Promise<T> {
    const response = await this.#options.fetcher.fetch({
      method: 'POST',
      path,
      headers: new Map([['content-type', 'application/json']]),
      body,
      bytesMax: limits.sessionGrantBytesMax,
      timeoutMs: limits.loginTimeoutMs,
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) chunks.push(chunk);
    const bytes = concatBytes(chunks);
    if (response.status >= 400) {
      throw new OperatingError(problemCode(bytes), `${path} answered ${response.status}`, {
        retryable: response.status >= 500 || response.status === 429,
      });
    }
    const decoded = decode(bytes);
    if (decoded.ok) return decoded.value;
    throw new OperatingError('fetch-failed', `${path} answered with another form`, {
      retryable: true,
    });
  }
}

/** `trustedNowMs` counts only when a director key signed it together with this login's own nonce. */
function readServerTime(
  grant: SessionGrant,
  deviceNonce: string,
  directorKeys: RoleKeys<'director'> | undefined,
): number | undefined {
  if (directorKeys === undefined) return undefined;
  const payload = verifyEnvelope('serverTime', directorKeys, utf8(grant.serverTime));
  if (!payload.ok) return undefined;
  const time = decodeServerTime(payload.value);
  return time.ok && time.value.deviceNonce === deviceNonce ? time.value.nowMs : undefined;
}

const decodeProblem = createDecoder(ProblemSchema, limits.sessionGrantBytesMax);

const problemCode = (bytes: Uint8Array): string => {
  const problem = decodeProblem(bytes);
  return problem.ok ? problem.value.code : 'fetch-failed';
};
