import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Finding } from '../../../cli/doctor/finding.ts';
import { runSkein } from '../../../cli/program.ts';
import { RoundFleet, roundFleet } from '../../support/round-fleet.ts';

let folder = '';
let fleet: RoundFleet;
let token = '';
const state = (): string => join(folder, 'edge-1');
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-doctor-'));
  fleet = await RoundFleet.open(folder);
  token = join(folder, 'token');
  await writeFile(token, fleet.doors.token, { mode: 0o600 });
});
afterAll(async () => {
  await fleet.close();
  await rm(folder, { recursive: true, force: true });
});

async function skein(...args: readonly string[]) {
  let out = '';
  let err = '';
  const exitCode = await runSkein(args, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { exitCode, out, err };
}

interface Diagnosis {
  readonly exitCode: number;
  readonly isWell: boolean;
  readonly findings: readonly Finding[];
  readonly of: (check: string) => string;
}

async function diagnose(...args: readonly string[]): Promise<Diagnosis> {
  const { exitCode, out } = await skein('doctor', ...args, '-o', 'json');
  const { isWell, findings } = JSON.parse(out) as Pick<Diagnosis, 'isWell' | 'findings'>;
  const of = (check: string): string => {
    const finding = findings.find((one) => one.check === check);
    return `${finding?.verdict} ${finding?.code ?? '-'}`;
  };
  return { exitCode, isWell, findings, of };
}

const server = (): readonly string[] => {
  const { origin, brokerUrl } = fleet.doors;
  return ['--server', origin, '--broker', brokerUrl, '--token-file', token];
};

test('given this machine alone, native libraries really answer, and what was not named is skipped', async () => {
  const found = await diagnose();
  expect(found).toMatchObject({ exitCode: 0, isWell: true });
  for (const check of ['node', 'zones', 'inference', 'database', 'clock']) {
    expect([check, found.of(check)]).toEqual([check, 'well -']);
  }
  expect([found.of('server'), found.of('folders')]).toEqual(['skipped -', 'skipped -']);
});

test('given a server without published bundles, it is well but for the metadata that nobody signed yet', async () => {
  const found = await diagnose(...server(), '--data', join(folder, 'server'));
  for (const check of ['server', 'clock', 'token', 'broker', 'permissions']) {
    expect([check, found.of(check)]).toEqual([check, 'well -']);
  }
  expect(found.of('trust')).toBe('failed tuf-missing-metadata');
  expect(found.exitCode).toBe(1);
});

test('given an enrolled device, its folder names the server, and a table says one line per check', async () => {
  const { claim } = await fleet.ask<{ claim: string }>('/claims', {
    body: { preAuthorized: true, idPattern: 'edge-1' },
  });
  const root = await fleet.ask<{ enrolment: string }>('/claims', { body: {} });
  const text = root.enrolment.replace(/claim=[^&]+/, `claim=${claim}`);
  const done = await skein(
    ...['agent', 'enrol', text, '--state', state(), '--fleet', roundFleet],
    ...['--device', 'edge-1', '-o', 'json'],
  );
  expect([done.exitCode, JSON.parse(done.out)]).toEqual([
    0,
    expect.objectContaining({ device: 'edge-1', isNew: true }),
  ]);
  const { brokerUrl } = fleet.doors;
  const found = await diagnose('--state', state(), '--broker', brokerUrl);
  for (const check of ['permissions', 'device', 'store', 'server', 'broker']) {
    expect([check, found.of(check)]).toEqual([check, 'well -']);
  }
  expect(found.of('token')).toBe('skipped -');
  const shown = await skein('doctor', '--state', state(), '--broker', brokerUrl);
  expect(shown.out.trim().split('\n')).toHaveLength(found.findings.length);
  expect(shown.out).toMatch(/^well +device +edge-1 of plant/m);
  expect(shown.out).toMatch(/^failed +trust .*\(tuf-missing-metadata\)$/m);
  expect(shown.err).toMatch(/1 failed/);
});

test('given a key open to others, a stranger’s token and nobody at the broker, each is told and the exit code is 1', async () => {
  const key = join(state(), 'keys', 'device.key');
  await chmod(key, 0o644);
  const stranger = join(folder, 'stranger');
  await writeFile(stranger, `skein_admin_${'0'.repeat(64)}`, { mode: 0o600 });
  const found = await diagnose(
    ...['--state', state(), '--server', fleet.doors.origin],
    ...['--broker', 'mqtt://127.0.0.1:9', '--token-file', stranger],
  );
  expect([found.exitCode, found.isWell]).toEqual([1, false]);
  expect(found.of('permissions')).toBe('failed key-file-exposed');
  expect(found.of('broker')).toBe('failed connect-failed');
  expect(found.of('token')).toMatch(/^failed token-/);
  expect((await readFile(key, 'utf8')).length).toBeGreaterThan(0);
  await chmod(key, 0o600);
});

test('given a server elsewhere without TLS, the token stays here', async () => {
  const found = await diagnose(
    ...['--server', 'http://fleet.invalid', '--token-file', token],
    ...['--broker', 'mqtt://127.0.0.1:9'],
  );
  expect(found.of('token')).toBe('failed plaintext-refused');
  expect(found.of('server')).toBe('failed connect-failed');
});

test('given a folder that is no device, and a repository that is not there, both are told', async () => {
  const found = await diagnose('--state', join(folder, 'none'), '--repository', folder);
  expect(found.of('device')).toBe('failed not-enrolled');
  expect(found.of('disk')).toBe('failed disk-failed');
  expect(found.of('trust')).toBe('failed tuf-missing-metadata');
  expect((await skein('doctor', '--output', 'xml')).exitCode).toBe(2);
});
