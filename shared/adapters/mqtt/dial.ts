import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { OperatingError } from '../../core/operating-error.ts';

export interface DialOptions {
  /** `mqtt://host:port`, `mqtts://host:port` or `unix:/path`; ports default to 1883 and 8883. */
  readonly url: string;
  /** PEM of the one CA to trust, from the enrolment. Without it the system's. */
  readonly ca?: string;
  /** Client certificate and key (PEM), for brokers that ask for one. */
  readonly certificate?: { readonly cert: string; readonly key: string };
}

/** Starts one connection; success and failure come as events of the stream. Throws `connect-failed` for no such URL. */
export function dial({ url, ca, certificate }: DialOptions): Socket {
  if (url.startsWith('unix:/')) return connectTcp({ path: url.slice('unix:'.length) });
  const { protocol, hostname, port } = parse(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  if (protocol === 'mqtt:') {
    return connectTcp({ host, port: Number(port || 1883) }).setNoDelay(true);
  }
  return connectTls({
    host,
    port: Number(port || 8883),
    minVersion: 'TLSv1.2',
    // An address has no server name (RFC 6066, 3).
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...certificate,
  }).setNoDelay(true);
}

function parse(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'mqtt:' || parsed?.protocol === 'mqtts:') return parsed;
  throw new OperatingError('connect-failed', 'the broker URL is neither mqtt, mqtts nor unix');
}
