import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { openDeviceKey } from '../../agent/adapters/device-key.ts';
import { fetchPinnedCa } from '../../agent/adapters/pinned-ca.ts';
import { openStateDisk, statePaths } from '../../agent/adapters/state-folder.ts';
import { readEnrolmentString } from '../../agent/core/enrolment/enrolment-string.ts';
import { enrolDevice, readEnrolment } from '../../agent/runner/enrolment-desk.ts';
import { HttpFetcher } from '../../shared/adapters/http/http-fetcher.ts';
import { cryptoRandom } from '../../shared/adapters/random/crypto-random.ts';
import type { EnrolmentState } from '../../shared/contracts/enrolment.ts';
import { type Digest, isDeviceId, isFleetId } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';

export interface EnrolOptions {
  /** The enrolment string. */
  readonly text: string;
  /** Absolute path of the state folder; created when absent. */
  readonly state: string;
  readonly fleet: string;
  /** Named like the machine when absent. */
  readonly device: string | undefined;
  readonly insecurePlaintext: boolean;
}

export interface Enrolled {
  readonly device: string;
  readonly fleet: string;
  readonly origin: string;
  readonly state: EnrolmentState;
}

/** Whether the state folder is an enrolled device's. Throws `not-enrolled` for a damaged record. */
export const isEnrolled = async (state: string): Promise<boolean> =>
  (await readEnrolment(openStateDisk(state))) !== undefined;

/** Performs `skein agent enrol`. Throws OperatingErrors with codes of the catalogue. */
export async function enrol(options: EnrolOptions): Promise<Enrolled> {
  const { text, state, fleet, device = machineName(), insecurePlaintext } = options;
  const ticket = readEnrolmentString(text, { insecurePlaintext });
  if (!ticket.ok) throw new OperatingError(ticket.error.code, ticket.error.message);
  if (!isFleetId(fleet)) throw new OperatingError('schema-mismatch', `no fleet name: ${fleet}`);
  if (!isDeviceId(device)) throw new OperatingError('schema-mismatch', `no device id: ${device}`);
  const { origin, claim, root } = ticket.value;
  const pin = ticket.value.ca as Digest | undefined;
  const ca = pin === undefined ? {} : { ca: await fetchPinnedCa(origin, pin) };
  await mkdir(state, { recursive: true, mode: 0o700 });
  const fetcher = new HttpFetcher({ origin, ...ca });
  try {
    const answer = await enrolDevice(
      { disk: openStateDisk(state), fetcher, random: cryptoRandom },
      {
        server: { origin, fleet, device, audience: origin, ...ca },
        claim,
        root: root as Digest,
        deviceKey: () => openDeviceKey(statePaths(state).key),
      },
    );
    return { device, fleet, origin, state: answer };
  } finally {
    fetcher.close();
  }
}

function machineName(): string {
  const name = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-');
  return name.replace(/^-+|-+$/g, '').slice(0, 63);
}
