import { MqttTransport } from '../../shared/adapters/mqtt/mqtt-transport.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Transport } from '../../shared/ports/transport.ts';

export interface GrantedTransportOptions {
  /** The owner's own address of the broker; it wins over what a login names. */
  readonly brokerUrl: string | undefined;
  /** Host of the enrolled origin: without an address of the owner, the broker token goes nowhere else. */
  readonly host: string;
  readonly ca: string | undefined;
  readonly insecurePlaintext: boolean;
}

const loopback = /^(localhost|127(\.[0-9]{1,3}){3}|::1)$/;

/**
 * Dials the broker that the login names, within what the enrolment allows. Throws
 * `plaintext-refused`, `connect-failed`.
 */
export function createGrantedTransport(options: GrantedTransportOptions): Transport {
  return {
    connect: async (connect, listener) => {
      const url = options.brokerUrl ?? connect.url ?? '';
      judge(url, options);
      const ca = options.ca === undefined ? {} : { ca: options.ca };
      return new MqttTransport({ url, ...ca }).connect(connect, listener);
    },
  };
}

function judge(url: string, options: GrantedTransportOptions): void {
  if (url.startsWith('unix:/') && options.brokerUrl !== undefined) return;
  const { protocol, hostname } = URL.canParse(url) ? new URL(url) : { protocol: '', hostname: '' };
  const host = hostname.replace(/^\[|\]$/g, '');
  if (protocol !== 'mqtt:' && protocol !== 'mqtts:') {
    throw new OperatingError('connect-failed', 'the login names no mqtt or mqtts address');
  }
  if (options.brokerUrl === undefined && host !== options.host) {
    const message = `the login names ${host}, enrolled is ${options.host}; set server.brokerUrl`;
    throw new OperatingError('connect-failed', message);
  }
  if (protocol === 'mqtt:' && !loopback.test(host) && !options.insecurePlaintext) {
    throw new OperatingError('plaintext-refused', `${host} is reached without TLS`);
  }
}
