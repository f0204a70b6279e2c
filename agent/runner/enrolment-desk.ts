import { createDecoder } from '../../shared/codec/validator.ts';
import {
  type EnrolledServer,
  EnrolledServerSchema,
} from '../../shared/contracts/enrolled-server.ts';
import type { EnrolmentState } from '../../shared/contracts/enrolment.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import type { Fetcher } from '../../shared/ports/fetcher.ts';
import type { Random } from '../../shared/ports/random.ts';
import type { Signer } from '../../shared/ports/signer.ts';
import { digestOf } from '../../shared/trust/hash.ts';
import { collect } from '../../shared/trust/tuf/metadata-source.ts';
import { DeviceSession } from './device-session.ts';

const enrolmentPath = 'trust/enrolment.json';
const rootPath = 'trust/pinned-root.json';
const decode = createDecoder(EnrolledServerSchema, limits.enrolledServerBytesMax);

export interface Enrolment {
  readonly server: EnrolledServer;
  readonly pinnedRoot: Uint8Array;
}

export interface EnrolRequest {
  readonly server: EnrolledServer;
  readonly claim: string;
  /** sha256 of the first root, from the enrolment string. */
  readonly root: Digest;
  /** Asked for only after the root was found right. */
  readonly deviceKey: () => Promise<Signer>;
}

/** `undefined` on a device that has not enrolled. Throws `not-enrolled` for a damaged record. */
export async function readEnrolment(disk: DeviceDisk): Promise<Enrolment | undefined> {
  const bytes = await disk.read(enrolmentPath, { bytesMax: limits.enrolledServerBytesMax });
  const pinnedRoot = await disk.read(rootPath, { bytesMax: limits.tufRootBytesMax });
  if (bytes === undefined || pinnedRoot === undefined) return undefined;
  const server = decode(bytes);
  if (server.ok) return { server: server.value, pinnedRoot };
  const { pointer, message } = server.error;
  throw new OperatingError('not-enrolled', `${enrolmentPath}${pointer} ${message}`);
}

/**
 * Binds this device to a server. The root is compared before anything about the device is sent; the record is written
 * after the server has answered, so a broken enrolment is simply done again. The claim never reaches the disk.
 * Throws `already-enrolled`, `root-mismatch`, and what fetching and the server's own refusal throw.
 */
export async function enrolDevice(
  world: { readonly disk: DeviceDisk; readonly fetcher: Fetcher; readonly random: Random },
  request: EnrolRequest,
): Promise<EnrolmentState> {
  const { disk, fetcher, random } = world;
  const { server, claim, root } = request;
  if ((await disk.size(enrolmentPath)) !== undefined) {
    throw new OperatingError('already-enrolled', `${enrolmentPath} exists`);
  }
  const pinnedRoot = await fetchRoot(fetcher);
  if (digestOf(pinnedRoot) !== root) {
    throw new OperatingError('root-mismatch', 'the server serves another first root');
  }
  const { fleet, device, audience } = server;
  const session = new DeviceSession({
    ...{ address: { fleet, device }, audience },
    ...{ fetcher, random, deviceKey: await request.deviceKey() },
  });
  const state = await session.enrol(claim);
  await disk.replace(rootPath, pinnedRoot);
  await disk.replace(enrolmentPath, utf8(canonicalJson(server)));
  return state;
}

async function fetchRoot(fetcher: Fetcher): Promise<Uint8Array> {
  const response = await fetcher.fetch({
    method: 'GET',
    path: '/tuf/1.root.json',
    bytesMax: limits.tufRootBytesMax,
    timeoutMs: limits.metadataTimeoutMs,
  });
  if (response.status === 200) return collect(response.body, limits.tufRootBytesMax);
  response.cancel();
  throw new OperatingError('fetch-failed', `/tuf/1.root.json answered ${response.status}`, {
    retryable: response.status >= 500,
  });
}
