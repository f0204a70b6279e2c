import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { resolve } from 'node:path';
import { memoryBytes } from '../../agent/adapters/device-facts.ts';
import { openStateDisk } from '../../agent/adapters/state-folder.ts';
import { readEnrolment } from '../../agent/runner/enrolment-desk.ts';
import { HttpFetcher } from '../../shared/adapters/http/http-fetcher.ts';
import { IntlZones } from '../../shared/adapters/zones/intl-zones.ts';
import type { EnrolledServer } from '../../shared/contracts/enrolled-server.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { createOnnxRuntime } from '../../shared/runtime/onnx-runtime.ts';
import {
  createMetadataSource,
  type MetadataSource,
} from '../../shared/trust/tuf/metadata-source.ts';
import { MetadataStore } from '../../shared/trust/tuf/metadata-store.ts';
import { checkedServer, readToken } from '../api/api-session.ts';
import { sourceOf } from '../bundle/repository-access.ts';
import { attempt, type Finding, failed, skipped } from './finding.ts';
import { checkEnrolment, checkJournals, checkModes, checkStore } from './folder-checks.ts';
import { checkClock, checkDisk, checkMemory, checkNode, checkZones } from './machine-checks.ts';
import { checkDatabase, checkInference } from './runtime-checks.ts';
import {
  type AskServer,
  checkBroker,
  checkDoors,
  checkHealth,
  checkToken,
} from './server-checks.ts';
import {
  askServerAt,
  dialBroker,
  modesOfData,
  modesOfState,
  queryDatabase,
} from './this-machine.ts';
import { checkExpiry, readCopies, readExpiries } from './trust-checks.ts';

/** What is looked at beyond this machine; each is optional. */
export interface DoctorRequest {
  readonly server?: string;
  readonly tokenFile?: string;
  readonly insecurePlaintext?: boolean;
  readonly broker?: string;
  readonly repository?: string;
  /** A device's state folder. */
  readonly state?: string;
  /** A server's data folder. */
  readonly data?: string;
}

/** Every check that the request allows, each finding as it is made; nothing is changed. */
export async function* examine(request: DoctorRequest): AsyncGenerator<Finding> {
  yield* examineMachine(request);
  const enrolled = await enrolledServer(request.state);
  yield* examineFolders(request);
  yield* examineServer(request, enrolled);
}

async function* examineMachine({ state, data }: DoctorRequest): AsyncGenerator<Finding> {
  yield checkNode(process.versions.node);
  yield checkMemory({ machineBytes: totalmem(), usableBytes: memoryBytes() });
  const folder = resolve(state ?? data ?? '.');
  yield await attempt('disk', 'disk-failed', async () => {
    const { bavail, bsize } = await statfs(folder);
    return checkDisk(folder, bavail * bsize);
  });
  yield checkZones(new IntlZones(), new Intl.DateTimeFormat().resolvedOptions().timeZone);
  yield await checkInference(createOnnxRuntime());
  yield await checkDatabase(queryDatabase);
}

async function* examineFolders({ state, data }: DoctorRequest): AsyncGenerator<Finding> {
  if (state === undefined && data === undefined) {
    yield skipped('folders', 'name a state folder with --state, or a data folder with --data');
    return;
  }
  yield await attempt('permissions', 'disk-failed', async () =>
    checkModes([
      ...(state === undefined ? [] : await modesOfState(state)),
      ...(data === undefined ? [] : await modesOfData(data)),
    ]),
  );
  if (state === undefined) return;
  if (!existsSync(state)) {
    yield failed('device', 'not-enrolled', `${state} is not there`);
    return;
  }
  const disk = openStateDisk(resolve(state));
  yield await checkEnrolment(state, disk);
  yield* await checkJournals(disk);
  yield await checkStore(disk);
  const copies = new MetadataStore({ disk, folder: 'trust' });
  yield* await expiries(
    readCopies((role) => copies.read(role)),
    { isCopy: true },
  );
}

async function* examineServer(
  request: DoctorRequest,
  enrolled: EnrolledServer | undefined,
): AsyncGenerator<Finding> {
  const url = request.server ?? enrolled?.origin;
  const ca = request.server === undefined ? enrolled?.ca : undefined;
  if (url === undefined || !URL.canParse(url)) {
    yield checkClock(Date.now(), undefined);
    yield skipped('server', 'name a server with --server');
  } else {
    const ask = askServerAt({ url, ca });
    yield await checkHealth(url, ask);
    yield checkClock(Date.now(), await dateOf(ask));
    yield* await examineToken(url, ask, request);
    const broker = request.broker ?? brokerUrlOf(url);
    yield await checkBroker(broker, () => dialBroker({ url: broker, ca }));
  }
  const source = repositoryOf(request.repository, url, ca);
  if (source !== undefined) yield* await expiries(readExpiries(source), { isCopy: false });
}

/** Without a token everything else is still worth knowing; a device has none. */
async function examineToken(
  server: string,
  ask: AskServer,
  { tokenFile, insecurePlaintext = false }: DoctorRequest,
): Promise<readonly Finding[]> {
  if (tokenFile === undefined) return [skipped('token', 'name a token with --token-file')];
  const read = async (): Promise<string> => {
    checkedServer({ server, insecurePlaintext });
    return readToken({ tokenFile });
  };
  const token = await checkToken(ask, read);
  return token.verdict === 'well' ? [token, await checkDoors(ask, read)] : [token];
}

const dateOf = async (ask: AskServer): Promise<number | undefined> =>
  (await ask('/livez').catch(() => undefined))?.dateMs;

/** Where a server listens when nobody says otherwise. */
function brokerUrlOf(url: string): string {
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' ? `mqtts://${hostname}:8883` : `mqtt://${hostname}:1883`;
}

function repositoryOf(
  where: string | undefined,
  server: string | undefined,
  ca: string | undefined,
): MetadataSource | undefined {
  if (where !== undefined) return sourceOf(where);
  if (server === undefined || !URL.canParse(server)) return undefined;
  const { origin } = new URL(server);
  const fetcher = new HttpFetcher({ origin, ...(ca === undefined ? {} : { ca }) });
  return createMetadataSource({ fetcher, basePath: '/tuf/', timeoutMs: limits.doctorTimeoutMs });
}

async function expiries(
  reading: ReturnType<typeof readExpiries>,
  options: { readonly isCopy: boolean },
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const trouble = await attempt('trust', 'fetch-failed', async () => {
    for (const expiry of await reading) findings.push(checkExpiry(expiry, Date.now(), options));
    return skipped('trust', 'no metadata is there yet');
  });
  return findings.length > 0 ? findings : [trouble];
}

/** A damaged enrolment is the folder check's to tell. */
async function enrolledServer(state: string | undefined): Promise<EnrolledServer | undefined> {
  if (state === undefined || !existsSync(state)) return undefined;
  const enrolment = await readEnrolment(openStateDisk(resolve(state))).catch(() => undefined);
  return enrolment?.server;
}
