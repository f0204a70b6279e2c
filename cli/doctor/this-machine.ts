import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import type { ClientRequest, IncomingMessage } from 'node:http';
import * as http from 'node:http';
import * as https from 'node:https';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { builtFile } from '../../shared/adapters/built-file.ts';
import { isAbsent } from '../../shared/adapters/disk/disk-error.ts';
import { dial } from '../../shared/adapters/mqtt/dial.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { collect } from '../../shared/trust/tuf/metadata-source.ts';
import type { PathMode } from './folder-checks.ts';
import type { AskServer } from './server-checks.ts';

/** The PEM of an enrolment's authority; without it the system's. */
export interface Whom {
  readonly url: string;
  readonly ca: string | undefined;
}

/** One question per call over a connection of its own. */
export function askServerAt({ url, ca }: Whom): AskServer {
  const base = url.replace(/\/$/, '');
  return async (path, bearer) => {
    const options = {
      ...(ca === undefined ? {} : { ca }),
      timeout: limits.doctorTimeoutMs,
      headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
    };
    const send = base.startsWith('https:') ? https.get : http.get;
    const message = await answerTo(send(`${base}${path}`, options), base);
    const bytes = await collect(message, limits.cliAnswerBytesMax);
    const dateMs = Date.parse(message.headers.date ?? '');
    return {
      ...{ status: message.statusCode ?? 0, bytes },
      dateMs: Number.isFinite(dateMs) ? dateMs : undefined,
    };
  };
}

const answerTo = (request: ClientRequest, base: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', (cause) => reject(connectFailure(base, cause)));
    request.once('timeout', () => request.destroy(new Error('it does not answer in time')));
  });

/** Connects and, with TLS, checks the certificate; says nothing to the broker. */
export function dialBroker({ url, ca }: Whom): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = dial({ url, ...(ca === undefined ? {} : { ca }) });
    const end = (): void => {
      socket.removeAllListeners();
      // A reset that comes after the answer is nobody's error.
      socket.on('error', () => undefined);
      socket.destroy();
    };
    const done = (how: string) => (): void => {
      end();
      resolve(how);
    };
    const fail = (cause: Error): void => {
      end();
      reject(connectFailure(url, cause));
    };
    socket.setTimeout(limits.doctorTimeoutMs, () => fail(new Error('it does not answer in time')));
    socket.once('error', fail);
    if (socket instanceof TLSSocket) {
      socket.once('secureConnect', () => done(socket.getProtocol() ?? 'TLS')());
    } else socket.once('connect', done('not encrypted'));
  });
}

const untrusted = /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/;

function connectFailure(where: string, cause: Error): OperatingError {
  const errno = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  const code = untrusted.test(errno) ? 'tls-untrusted' : 'connect-failed';
  const why = cause.message === '' ? errno : cause.message;
  return new OperatingError(code, `${where}: ${why}`, { cause });
}

/** Rejects with what the child said last. It runs from `dist/`. */
export function queryDatabase(): Promise<void> {
  const file = builtFile(import.meta.url, './sqlite-entry.ts');
  return new Promise((resolve, reject) => {
    const options = { timeout: limits.probeTimeoutMs, killSignal: 'SIGKILL' } as const;
    execFile(process.execPath, [file.pathname], options, (error, _out, said) => {
      const line = said.split('\n').find((text) => /Error/.test(text));
      if (error === null) resolve();
      else reject(new Error(line ?? 'the process that tried it ended', { cause: error }));
    });
  });
}

/** A device's folder: itself, and the key that is its identity. */
export async function modesOfState(state: string): Promise<readonly PathMode[]> {
  const keys = join(state, 'keys');
  return Promise.all([
    modeOf(state, 'folder'),
    modeOf(keys, 'folder'),
    modeOf(join(keys, 'device.key'), 'secret'),
  ]);
}

/** A server's folder: online keys, secrets, the first token. */
export async function modesOfData(data: string): Promise<readonly PathMode[]> {
  const folders = ['keys', 'secrets'].map((name) => join(data, name));
  const files = await Promise.all(
    folders.map(async (folder) => (await namesIn(folder)).map((name) => join(folder, name))),
  );
  return Promise.all([
    ...[data, ...folders].map((path) => modeOf(path, 'folder')),
    ...[...files.flat(), join(data, 'first-admin.token')].map((path) => modeOf(path, 'secret')),
  ]);
}

async function modeOf(path: string, kind: PathMode['kind']): Promise<PathMode> {
  try {
    return { path, mode: (await stat(path)).mode & 0o777, kind };
  } catch (error) {
    if (isAbsent(error)) return { path, mode: undefined, kind };
    throw error;
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}
