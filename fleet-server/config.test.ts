import { expect, test } from 'vitest';
import { parseServerConfig, printServerConfig } from './config.ts';

const parse = (
  file: unknown,
  environment: Record<string, string> = {},
  settings: readonly string[] = [],
) => parseServerConfig({ file, environment, settings });

function codeOf(parsed: ReturnType<typeof parse>): string {
  return parsed.ok ? 'ok' : parsed.error.code;
}

test('given nothing, the server listens on loopback only and names itself so', () => {
  const parsed = parse(undefined);
  expect(parsed.ok && parsed.value).toMatchObject({
    origin: 'http://127.0.0.1:8080',
    http: { host: '127.0.0.1', port: 8080, hosts: ['127.0.0.1', '[::1]', 'localhost'] },
    broker: { url: 'mqtt://127.0.0.1:1883' },
  });
});

test('given file, environment and flag, the later one wins, key by key', () => {
  const parsed = parse(
    { http: { port: 1, host: '127.0.0.2' }, jitterMs: 1 },
    { SKEIN_SERVER_HTTP_PORT: '2', SKEIN_SERVER_JITTER_MS: '2', SKEIN_SERVER_FLEETS: 'aa,bb' },
    ['http.port=3'],
  );
  expect(parsed.ok && parsed.value).toMatchObject({
    http: { port: 3, host: '127.0.0.2' },
    jitterMs: 2,
    fleets: ['aa', 'bb'],
  });
  expect(parsed.ok && Object.isFrozen(parsed.value.http.hosts)).toBe(true);
});

test.each([
  ['in the file', { color: 'red' }, {}, []],
  ['below a key of the file', { http: { color: 'red' } }, {}, []],
  ['in the environment', undefined, { SKEIN_SERVER_HTP_PORT: '1' }, []],
  ['in a flag', undefined, {}, ['http.color=red']],
])('given an unknown key %s, the server does not start', (_name, file, environment, settings) => {
  expect(codeOf(parse(file, environment, settings))).toBe('config-invalid');
});

test.each([
  ['a port as text', { http: { port: '8080' } }, []],
  ['a port beyond the last', { http: { port: 65_536 } }, []],
  ['a certificate without its key', { http: { certFile: 'a' } }, []],
  ['a number that is none', undefined, ['jitterMs=1s']],
  ['a fleet name with a slash', { fleets: ['a/b'] }, []],
])('given %s, the place is named', (_name, file, settings) => {
  const parsed = parse(file, {}, settings);
  expect(codeOf(parsed)).toBe('config-invalid');
  expect(parsed.ok ? '' : parsed.error.message).not.toBe('');
});

test('given a listener beyond loopback, it takes TLS or an explicit word', () => {
  expect(codeOf(parse({ http: { host: '0.0.0.0' } }))).toBe('plaintext-refused');
  expect(codeOf(parse({ broker: { host: '::' } }))).toBe('plaintext-refused');
  expect(codeOf(parse({ http: { host: '0.0.0.0' }, insecurePlaintext: true }))).toBe('ok');
  const tls = { certFile: 'cert.pem', keyFile: 'key.pem' };
  const safe = parse({ http: { host: '0.0.0.0', ...tls }, origin: 'https://fleet.example' });
  expect(safe.ok && safe.value.http.hosts).toEqual(['0.0.0.0', 'fleet.example']);
});

test('given a login in an address, printing the configuration leaves it out', () => {
  const parsed = parse({ broker: { url: 'mqtt://user:word@127.0.0.1:1' } });
  const printed = parsed.ok ? printServerConfig(parsed.value) : '';
  expect(printed).toContain('mqtt://[secret]@127.0.0.1:1');
  expect(printed).not.toContain('word');
});
