import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { OperatingError } from '../../shared/core/operating-error.ts';

/** What both doors of the agent, inference and metrics, ask of where they open and of who comes. */
export interface DoorRule {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Bearer token of every route but health; needed beyond loopback. */
  readonly token: string | undefined;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** Names it may be asked by, besides loopback names and addresses and `host` itself. */
  readonly hosts: readonly string[];
  readonly insecurePlaintext: boolean;
}

interface Caller {
  /** Of the request's own headers. */
  readonly host: string | undefined;
  readonly authorization: string | undefined;
  /** Health is nobody's secret, and a probe has no token. */
  readonly asksHealth: boolean;
}

const loopback = /^(localhost|127(\.[0-9]{1,3}){3}|::1)$/;

/** Whether others on the way could read and change what passes: shown in the metrics. */
export const isPlaintextDoor = ({
  host,
  tls,
}: Pick<DoorRule, 'host'> & { tls: unknown }): boolean => tls === undefined && !loopback.test(host);

/** Loopback needs nothing; any other address needs TLS and a token. Throws `plaintext-refused`, `token-missing`. */
export function checkDoor({ host, token, tls, insecurePlaintext }: DoorRule): void {
  if (loopback.test(host)) return;
  if (isPlaintextDoor({ host, tls }) && !insecurePlaintext) {
    throw new OperatingError('plaintext-refused', `${host} is reached from other machines`);
  }
  if (token === undefined) {
    throw new OperatingError('token-missing', `${host} is reached from other machines`);
  }
}

/** A page in a browser can reach loopback under a name of its own, so the name is judged first. Throws coded errors. */
export function admitCaller(caller: Caller, { host, hosts, token }: DoorRule): void {
  const asked = hostNameOf(caller.host ?? '');
  const isKnown = loopback.test(asked) || isIP(asked) !== 0 || asked === host;
  if (!isKnown && !hosts.includes(asked)) {
    throw new OperatingError('host-refused', `${asked.slice(0, 64)} is no name of this device`);
  }
  if (token === undefined || caller.asksHealth) return;
  const [, given] = /^Bearer ([!-~]{1,512})$/i.exec(caller.authorization ?? '') ?? [];
  if (given === undefined) throw new OperatingError('token-missing', 'no bearer token came');
  if (!timingSafeEqual(hashOf(given), hashOf(token))) {
    throw new OperatingError('token-invalid', 'the bearer token is another one');
  }
}

/** `example:8080`, `[::1]:8080` and `::1` without what is no name. */
function hostNameOf(header: string): string {
  const name = /^\[([0-9a-f:.]+)\](?::[0-9]+)?$/i.exec(header)?.[1];
  return (name ?? header.replace(/:[0-9]+$/, '')).toLowerCase();
}

const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest();
