import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeRecord } from '../../../agent/core/journal/journal-record.ts';
import { blobPath } from '../../../agent/core/store/store-path.ts';
import type { Finding } from '../../../cli/doctor/finding.ts';
import {
  checkEnrolment,
  checkJournals,
  checkModes,
  checkStore,
} from '../../../cli/doctor/folder-checks.ts';
import {
  checkClock,
  checkDisk,
  checkMemory,
  checkNode,
  checkZones,
} from '../../../cli/doctor/machine-checks.ts';
import { checkDatabase, checkInference } from '../../../cli/doctor/runtime-checks.ts';
import {
  type AskServer,
  checkBroker,
  checkDoors,
  checkHealth,
  checkToken,
} from '../../../cli/doctor/server-checks.ts';
import { askServerAt, dialBroker, modesOfState } from '../../../cli/doctor/this-machine.ts';
import { checkExpiry, readCopies, readExpiries } from '../../../cli/doctor/trust-checks.ts';
import { NodeDisk } from '../../../shared/adapters/disk/node-disk.ts';
import { IntlZones } from '../../../shared/adapters/zones/intl-zones.ts';
import { concatBytes, utf8 } from '../../../shared/core/bytes.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import type { InferenceRuntime } from '../../../shared/ports/inference-runtime.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { day0Ms, dayMs, TufRepository } from '../../support/tuf-repository.ts';

let folder = '';
let disk: NodeDisk;
const listeners: Server[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-doctor-'));
  disk = new NodeDisk({ root: folder, onFsyncFailure: () => undefined });
});
afterEach(async () => {
  for (const listener of listeners.splice(0)) listener.close();
  await rm(folder, { recursive: true, force: true });
});

const told = ({ verdict, code }: Finding): string => `${verdict} ${code ?? '-'}`;
const gibibyte = 1024 ** 3;

describe('this machine', () => {
  test.each([
    ['20.19.0', 'well -'],
    ['22.1.0', 'well -'],
    ['20.18.3', 'failed node-too-old'],
    ['18.20.0', 'failed node-too-old'],
  ])('given Node %s, it is %s', (version, expected) => {
    expect(told(checkNode(version))).toBe(expected);
  });

  test('given a cgroup with little memory, it warns and names both numbers', () => {
    expect(told(checkMemory({ machineBytes: gibibyte, usableBytes: gibibyte }))).toBe('well -');
    const small = checkMemory({ machineBytes: 8 * gibibyte, usableBytes: gibibyte / 4 });
    expect(told(small)).toBe('warning memory-low');
    expect(small.message).toBe('256 MiB of memory, limited from 8.0 GiB');
  });

  test('given a disk that is low, then full, it warns, then fails', () => {
    expect(told(checkDisk('/x', 2 * gibibyte))).toBe('well -');
    expect(told(checkDisk('/x', gibibyte / 2))).toBe('warning disk-full');
    expect(told(checkDisk('/x', 1024))).toBe('failed disk-full');
  });

  test('given zone rules cut short, or an unknown zone of its own, it says which', () => {
    expect(told(checkZones(new IntlZones(), 'Europe/Oslo'))).toBe('well -');
    expect(told(checkZones(new IntlZones(), 'Mars/Olympus'))).toBe('warning zones-missing');
    const always60 = { offsetMinutes: () => 60 };
    expect(told(checkZones(always60, 'UTC'))).toBe('failed zones-missing');
  });

  test('given a clock that was never set, or is not the server’s, it fails', () => {
    const nowMs = Date.UTC(2026, 5, 1);
    expect(told(checkClock(nowMs, undefined))).toBe('well -');
    expect(told(checkClock(nowMs, nowMs + 2_000))).toBe('well -');
    expect(told(checkClock(nowMs, nowMs + 600_000))).toBe('failed clock-wrong');
    expect(told(checkClock(0, 0))).toBe('failed clock-wrong');
  });
});

describe('the native libraries', () => {
  const runtime = (change: Partial<InferenceRuntime>): InferenceRuntime => ({
    probe: async () => ({ providers: [], version: undefined }),
    open: async () => {
      throw new OperatingError('model-load-failed', 'libonnxruntime.so.1: cannot open');
    },
    ...change,
  });

  const proven =
    (...providers: readonly string[]) =>
    async () => ({ providers, version: '1.30.0' });

  test('given a runtime that answers, its providers and its version are named', async () => {
    const finding = await checkInference(runtime({ probe: proven('cpu', 'webgpu') }));
    expect([told(finding), finding.message]).toEqual([
      'well -',
      'a tiny model answers on cpu and webgpu, by onnxruntime 1.30.0',
    ]);
  });

  test('given a runtime that does not load, its own words stand in the finding', async () => {
    const finding = await checkInference(runtime({ probe: proven('webgpu') }));
    expect(told(finding)).toBe('failed runtime-missing');
    expect(finding.message).toContain('libonnxruntime.so.1: cannot open');
    const broken = runtime({ probe: () => Promise.reject(new Error('spawn failed')) });
    expect(told(await checkInference(broken))).toBe('failed runtime-missing');
  });

  test('given a database that does not load, it warns: a device needs none', async () => {
    expect(told(await checkDatabase(async () => undefined))).toBe('well -');
    const query = () => Promise.reject(new Error('Could not locate the bindings file'));
    expect(told(await checkDatabase(query))).toBe('warning database-missing');
  });
});

describe('a server', () => {
  const answering =
    (status: number, body: object): AskServer =>
    async () => ({ status, bytes: utf8(JSON.stringify(body)), dateMs: 0 });
  const problem = (status: number, code: string): AskServer =>
    answering(status, { type: 'urn:x', title: 'Do this.', status, code });
  const token = async (): Promise<string> => 'secret';

  test('given a server that is not ready, its own code is told', async () => {
    expect(told(await checkHealth('https://x', answering(200, {})))).toBe('well -');
    const busy = await checkHealth('http://x', problem(503, 'store-busy'));
    expect([told(busy), busy.hint]).toEqual(['failed store-busy', expect.stringMatching(/\w/)]);
    expect(told(await checkHealth('http://x', answering(502, {})))).toBe('failed fetch-failed');
    expect(told(await checkHealth('http://x', problem(500, 'from-the-future')))).toBe(
      'failed fetch-failed',
    );
  });

  test('given nobody there, it is connect-failed', async () => {
    const ask = askServerAt({ url: 'http://127.0.0.1:9', ca: undefined });
    expect(told(await checkHealth('http://127.0.0.1:9', ask))).toBe('failed connect-failed');
  });

  test('given a token, its role is told; a refused one and an exposed file fail', async () => {
    const me = answering(200, { name: 'ada', role: 'viewer', fleets: ['plant'] });
    expect((await checkToken(me, token)).message).toBe('ada, viewer of plant');
    expect(told(await checkToken(problem(401, 'token-expired'), token))).toBe(
      'failed token-expired',
    );
    const exposed = () => Promise.reject(new OperatingError('key-file-exposed', 'open to others'));
    expect(told(await checkToken(me, exposed))).toBe('failed key-file-exposed');
  });

  test('given a server on another machine without TLS, it is well only on loopback', async () => {
    const fine = answering(200, { status: 'ok' });
    const here = ['http://127.0.0.1:8080', 'http://[::1]:8080', 'https://fleet.example'];
    for (const url of here) expect(told(await checkHealth(url, fine))).toBe('well -');
    const away = await checkHealth('http://fleet.example', fine);
    expect(told(away)).toBe('warning plaintext-door');
    const broker = (url: string) => checkBroker(url, async () => 'not encrypted');
    expect(told(await broker('mqtt://10.0.0.7'))).toBe('warning plaintext-door');
    expect(told(await broker('mqtt://localhost'))).toBe('well -');
  });

  test('given the doors of a server, those open beyond loopback without TLS are named', async () => {
    const page =
      (http: number, broker: number): AskServer =>
      async () => ({
        status: 200,
        bytes: utf8(
          `skein_plaintext_listener{door="broker"} ${broker}\nskein_plaintext_listener{door="http"} ${http}\n`,
        ),
        dateMs: undefined,
      });
    expect(told(await checkDoors(page(0, 0), token))).toBe('well -');
    const open = await checkDoors(page(1, 0), token);
    expect([told(open), open.message]).toEqual([
      'warning plaintext-door',
      'open beyond loopback without TLS: http',
    ]);
    const foreign = await checkDoors(problem(403, 'role-insufficient'), token);
    expect(told(foreign)).toBe('skipped -');
    expect(told(await checkDoors(answering(200, {}), token))).toBe('skipped -');
    expect(told(await checkDoors(problem(500, 'unexpected'), token))).toMatch(/^failed/);
  });

  const listening = (listener: Server): Promise<number> =>
    new Promise((resolve) => {
      listeners.push(listener);
      listener.listen(0, '127.0.0.1', () => {
        const address = listener.address();
        resolve(typeof address === 'object' ? (address?.port ?? 0) : 0);
      });
    });
  const knock = (url: string, ca?: string): Promise<Finding> =>
    checkBroker(url, () => dialBroker({ url, ca }));

  test('given a broker that listens, one that does not, and no broker’s address', async () => {
    const port = await listening(createServer((socket) => socket.destroy()));
    expect(told(await knock(`mqtt://127.0.0.1:${port}`))).toBe('well -');
    expect(told(await knock('mqtt://127.0.0.1:9'))).toBe('failed connect-failed');
    expect(told(await knock('http://127.0.0.1:9'))).toBe('failed connect-failed');
  });

  const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
  test.skipIf(!hasOpenssl)(
    'given a certificate nobody vouches for, it is tls-untrusted; with its authority it is well',
    async () => {
      const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
      const into = ['-keyout', 'key.pem', '-out', 'cert.pem', '-days', '2', '-nodes'];
      const name = ['-subj', '/CN=x', '-addext', 'subjectAltName=IP:127.0.0.1'];
      execFileSync('openssl', [...made, ...into, ...name], { cwd: folder, stdio: 'pipe' });
      const cert = await readFile(join(folder, 'cert.pem'), 'utf8');
      const key = await readFile(join(folder, 'key.pem'), 'utf8');
      const url = `mqtts://127.0.0.1:${await listening(createTlsServer({ cert, key }))}`;
      expect(told(await knock(url))).toBe('failed tls-untrusted');
      const trusted = await knock(url, cert);
      expect([told(trusted), trusted.message]).toEqual([
        'well -',
        expect.stringContaining('TLSv1.3'),
      ]);
    },
  );
});

describe('signed metadata', () => {
  const expiring = (role: 'root' | 'timestamp', leftMs: number, isCopy = false): string =>
    told(checkExpiry({ role, version: 3, expiresAtMs: day0Ms + leftMs }, day0Ms, { isCopy }));

  test('given an offline role, it is told 30, 7 and 1 days ahead, each time louder, and when it has expired', () => {
    expect(expiring('root', 31 * dayMs)).toBe('well -');
    expect(expiring('root', 29 * dayMs)).toBe('warning tuf-expires-soon');
    expect(expiring('root', 8 * dayMs)).toBe('warning tuf-expires-soon');
    expect(expiring('root', 7 * dayMs)).toBe('warning tuf-expires-within-week');
    expect(expiring('root', 1.5 * dayMs)).toBe('warning tuf-expires-within-week');
    expect(expiring('root', dayMs)).toBe('failed tuf-expires-within-day');
    expect(expiring('root', 0)).toBe('failed tuf-expired-root');
  });

  test('given an online role, it warns only when its renewal is overdue', () => {
    expect(expiring('timestamp', dayMs / 2)).toBe('well -');
    expect(expiring('timestamp', dayMs / 8)).toBe('warning tuf-expires-soon');
    expect(expiring('timestamp', -1)).toBe('failed tuf-expired-timestamp');
  });

  test('given the old copy of a device, it warns: the next contact brings a fresh one', () => {
    expect(expiring('timestamp', -1, true)).toBe('warning tuf-expired-timestamp');
    expect(expiring('root', dayMs, true)).toBe('well -');
  });

  test('given a repository, the newest of each role counts, and what is missing or malformed is told', async () => {
    const repository = new TufRepository();
    repository.publish('root');
    const files = new Map<string, Uint8Array>();
    for (const [role, versions] of repository.published) {
      versions.forEach((bytes, at) => {
        files.set(`${at + 1}.${role}.json`, bytes);
        files.set(`${role}.json`, bytes);
      });
    }
    const source = { fetch: async (name: string) => files.get(name) };
    const found = await readExpiries(source);
    expect(found.map(({ role }) => role)).toEqual(['root', 'targets', 'snapshot', 'timestamp']);
    expect(found[0]?.version).toBe(2);
    files.set('timestamp.json', utf8('{"signed":'));
    await expect(readExpiries(source)).rejects.toMatchObject({ code: 'tuf-malformed-metadata' });
    files.delete('timestamp.json');
    await expect(readExpiries(source)).rejects.toMatchObject({ code: 'tuf-missing-metadata' });
  });

  test('given copies on a device, absent roles are left out and a broken one is told', async () => {
    const root = new TufRepository().latest('root');
    const only = (role: string) => Promise.resolve(role === 'root' ? root : undefined);
    expect((await readCopies(only)).map(({ role }) => role)).toEqual(['root']);
    const broken = readCopies(async () => utf8('{}'));
    await expect(broken).rejects.toMatchObject({ code: 'tuf-malformed-metadata' });
  });
});

describe('a state folder', () => {
  const path = (mode: number | undefined, kind: 'folder' | 'secret') => ({
    path: '/p',
    mode,
    kind,
  });

  test('given rights of others, a secret and a writable folder fail, a readable one warns', () => {
    expect(told(checkModes([path(0o700, 'folder'), path(0o600, 'secret')]))).toBe('well -');
    expect(told(checkModes([path(0o640, 'secret')]))).toBe('failed key-file-exposed');
    expect(told(checkModes([path(0o770, 'folder')]))).toBe('failed folder-exposed');
    expect(told(checkModes([path(0o755, 'folder')]))).toBe('warning folder-exposed');
    expect(told(checkModes([path(undefined, 'secret')]))).toBe('well -');
  });

  test('given real files, their bits are read', async () => {
    await disk.replace('keys/device.key', utf8('x'));
    await chmod(join(folder, 'keys', 'device.key'), 0o644);
    expect(told(checkModes(await modesOfState(folder)))).toBe('failed key-file-exposed');
  });

  test('given a folder without a device, or with half an enrolment, it is not-enrolled', async () => {
    expect(told(await checkEnrolment(folder, disk))).toBe('failed not-enrolled');
    await disk.replace('trust/enrolment.json', utf8('{}'));
    await disk.replace('trust/pinned-root.json', utf8('{}'));
    expect(told(await checkEnrolment(folder, disk))).toBe('failed not-enrolled');
  });

  test('given a journal, its records are counted; a torn end is well, a damaged middle fails', async () => {
    const records = [0, 1, 2].map((n) => encodeRecord({ n }, n));
    const whole = concatBytes(records);
    const journal = 'state/update.journal';
    expect(await checkJournals(disk)).toEqual([]);
    await disk.replace(journal, whole);
    expect(await checkJournals(disk)).toMatchObject([{ verdict: 'well', message: '3 records' }]);
    await disk.replace(journal, whole.slice(0, -4));
    const [torn] = await checkJournals(disk);
    expect([torn?.verdict, torn?.message.slice(0, 27)]).toEqual([
      'well',
      '2 records, and a last write',
    ]);
    const damaged = whole.slice();
    damaged[(records[0]?.length ?? 0) + 30] = 0;
    await disk.replace(journal, damaged);
    expect((await checkJournals(disk)).map(told)).toEqual(['failed journal-corrupt']);
    expect(await disk.size(journal)).toBe(damaged.length);
    await disk.replace(journal, whole);
    await disk.replace(`${journal}.corrupt`, damaged);
    expect((await checkJournals(disk)).map(told)).toEqual(['warning journal-corrupt']);
  });

  test('given a rotten blob, it is told and left where it is; what is too much is not read', async () => {
    const good = utf8('good');
    await disk.replace(blobPath(digestOf(good)), good);
    expect((await checkStore(disk)).message).toBe('1 blobs with 0 MiB are intact');
    const rotten = digestOf(utf8('was this'));
    await disk.replace(blobPath(rotten), utf8('is that'));
    expect(told(await checkStore(disk))).toBe('failed store-damaged');
    expect(await disk.size(blobPath(rotten))).toBe(7);
    expect((await checkStore(disk, 3)).message).toContain('2 more were not read');
  });
});
