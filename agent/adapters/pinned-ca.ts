import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { limits } from '../../shared/contracts/limits.ts';
import type { Digest } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';

/** Certificates above a leaf that are looked at; real chains have two or three. */
const chainMax = 8;

/**
 * The certificate whose sha256 the enrolment string names, as PEM, out of the chain that the server shows. Nothing is
 * sent but the handshake. Throws `ca-mismatch`, `fetch-failed`, `fetch-timeout`.
 */
export function fetchPinnedCa(origin: string, pin: Digest): Promise<string> {
  const { hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port: Number(port || 443),
      minVersion: 'TLSv1.2',
      // Which authority to believe is what is being found out; the pin decides, before any byte is sent.
      rejectUnauthorized: false,
      ...(isIP(host) === 0 ? { servername: host } : {}),
    });
    const timer = setTimeout(() => {
      socket.destroy(new OperatingError('fetch-timeout', `${origin} did not shake hands`));
    }, limits.pinHandshakeMs);
    socket.once('secureConnect', () => {
      const pem = findPinned(socket.getPeerCertificate(true), pin);
      socket.end();
      if (pem === undefined) {
        reject(new OperatingError('ca-mismatch', `no certificate of ${origin} has ${pin}`));
      } else resolve(pem);
    });
    socket.once('error', (cause) =>
      reject(
        cause instanceof OperatingError
          ? cause
          : new OperatingError('fetch-failed', `${origin} cannot be reached`, {
              cause,
              retryable: true,
            }),
      ),
    );
    socket.once('close', () => clearTimeout(timer));
  });
}

function findPinned(leaf: DetailedPeerCertificate, pin: Digest): string | undefined {
  let certificate: DetailedPeerCertificate | undefined = leaf;
  for (let depth = 0; depth < chainMax && certificate?.raw !== undefined; depth += 1) {
    const digest = `sha256:${createHash('sha256').update(certificate.raw).digest('hex')}`;
    if (digest === pin) return pemOf(certificate.raw);
    const above: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
    // A root is its own issuer.
    certificate = above === certificate ? undefined : above;
  }
  return undefined;
}

const pemOf = (der: Buffer): string => {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
};
