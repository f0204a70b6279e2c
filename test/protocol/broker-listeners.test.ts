import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { EmbeddedBroker } from '../../fleet-server/adapters/broker/embedded-broker.ts';
import { MqttTransport } from '../../shared/adapters/mqtt/mqtt-transport.ts';
import { upTopic } from '../../shared/contracts/topics.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { createBroker } from '../contract/message-worlds.ts';
import {
  addressOf,
  connectOptions,
  createSuiteGate,
  HeardMessages,
} from '../support/message-world.ts';

const press = addressOf('press-7');
const silent = { received: () => undefined, closed: () => undefined };
const gate = createSuiteGate(Date.now);

let started: EmbeddedBroker[] = [];
const start = async (options: Parameters<typeof createBroker>[0]) => {
  const { broker } = createBroker(options);
  started.push(broker);
  const heard = new HeardMessages();
  await broker.start(gate, heard);
  return { port: broker.ports()[0] ?? 0, heard };
};
afterEach(async () => {
  for (const broker of started) await broker.close();
  started = [];
});

async function sayHello(transport: MqttTransport): Promise<void> {
  const session = await transport.connect(connectOptions(press), silent);
  await session.publish(upTopic(press, 'window'), utf8('hello'));
  await session.close();
}

describe('given a listener without TLS', () => {
  test.each(['0.0.0.0', '::', '192.0.2.1', 'example.test'])(
    'when it is %s, the broker does not start',
    async (host) => {
      await expect(start({ listen: [{ host, port: 0 }] })).rejects.toMatchObject({
        code: 'plaintext-refused',
      });
    },
  );

  test('when plaintext is asked for, it starts and says so', async () => {
    await start({ listen: [{ host: '0.0.0.0', port: 0 }], insecurePlaintext: true });
  });

  test('when the port is taken, the failure says which', async () => {
    const { port } = await start({});
    await expect(start({ listen: [{ host: '127.0.0.1', port }] })).rejects.toMatchObject({
      code: 'listen-failed',
    });
  });

  test('when a device dials its URL, it gets in', async () => {
    const { port, heard } = await start({});
    await sayHello(new MqttTransport({ url: `mqtt://127.0.0.1:${port}` }));
    expect(heard.lines).toEqual(['plant/press-7 window hello']);
  });

  test('when nobody listens or the URL is none, connecting fails', async () => {
    for (const url of ['mqtt://127.0.0.1:1', 'https://127.0.0.1', 'nonsense', 'unix:/nowhere']) {
      const attempt = new MqttTransport({ url }).connect(connectOptions(press), silent);
      await expect(attempt).rejects.toMatchObject({ code: 'connect-failed' });
    }
  });
});

const hasOpenssl = spawnSync('openssl', ['version']).error === undefined;

describe.skipIf(!hasOpenssl)('given a listener with TLS (certificates need openssl)', () => {
  let folder = '';
  const pem = (name: string): string => readFileSync(join(folder, name), 'utf8');
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'skein-tls-'));
    for (const name of ['mine', 'other']) {
      const made = spawnSync('openssl', [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
        ...['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)],
        ...['-days', '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'],
      ]);
      expect(made.status).toBe(0);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const tls = () => ({ cert: pem('mine.crt'), key: pem('mine.key') });

  test('when the device pins the CA of its enrolment, it gets in; with another or none it does not', async () => {
    const { port, heard } = await start({ listen: [{ host: '0.0.0.0', port: 0, tls: tls() }] });
    const url = `mqtts://127.0.0.1:${port}`;
    for (const pins of [{ ca: pem('other.crt') }, {}]) {
      const attempt = new MqttTransport({ url, ...pins }).connect(connectOptions(press), silent);
      await expect(attempt).rejects.toMatchObject({ code: 'connect-failed', retryable: true });
    }
    await sayHello(new MqttTransport({ url, ca: pem('mine.crt') }));
    expect(heard.lines).toEqual(['plant/press-7 window hello']);
  });

  test('when client certificates are asked for, only a known one gets in', async () => {
    const clientCa = pem('other.crt');
    const { port, heard } = await start({
      listen: [{ host: '127.0.0.1', port: 0, tls: { ...tls(), clientCa } }],
    });
    const options = { url: `mqtts://127.0.0.1:${port}`, ca: pem('mine.crt') };
    const bare = new MqttTransport(options).connect(connectOptions(press), silent);
    await expect(bare).rejects.toMatchObject({ code: 'connect-failed' });
    const certificate = { cert: pem('other.crt'), key: pem('other.key') };
    await sayHello(new MqttTransport({ ...options, certificate }));
    expect(heard.lines).toEqual(['plant/press-7 window hello']);
  });

  test('when plaintext comes in, or nothing at all, closing does not wait for it', async () => {
    const { port } = await start({ listen: [{ host: '127.0.0.1', port: 0, tls: tls() }] });
    const idle = connect({ host: '127.0.0.1', port });
    await new Promise((resolve) => idle.once('connect', resolve));
    const closed = new Promise((resolve) => idle.once('close', resolve));
    await started[0]?.close();
    await closed;
  });
});

test('given a Unix socket, a device beside the server gets in', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skein-broker-'));
  const host = join(folder, 'mqtt.sock');
  const { heard } = await start({ listen: [{ host, port: 0 }] });
  await sayHello(new MqttTransport({ url: `unix:${host}` }));
  expect(heard.lines).toEqual(['plant/press-7 window hello']);
  rmSync(folder, { recursive: true });
});
