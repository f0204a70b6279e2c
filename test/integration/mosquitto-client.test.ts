import { spawn, spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EmbeddedBroker } from '../../fleet-server/adapters/broker/embedded-broker.ts';
import { createJwtSessionTokens } from '../../fleet-server/adapters/session-token/jwt-session-tokens.ts';
import { createTokenGate } from '../../fleet-server/runner/session/token-gate.ts';
import { systemClock } from '../../shared/adapters/clock/system-clock.ts';
import { cryptoRandom } from '../../shared/adapters/random/crypto-random.ts';
import { downFilter, downTopic, upTopic } from '../../shared/contracts/topics.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { createBroker } from '../contract/message-worlds.ts';
import { addressOf, HeardMessages } from '../support/message-world.ts';
import { connectPacket, publishPacket, RawClient, subscribePacket } from '../support/raw-mqtt.ts';

const hasMosquitto = spawnSync('mosquitto_sub', ['--help']).error === undefined;
const press = addressOf('press-7');
const lathe = addressOf('lathe-3');

/** A foreign client with one device's login: what it hears is what the broker lets out. */
describe.skipIf(!hasMosquitto)('given mosquitto_sub (mosquitto-clients) and one login', () => {
  const clock = systemClock;
  const tokens = createJwtSessionTokens({
    seed: new Uint8Array(32).fill(5),
    clock,
    random: cryptoRandom,
  });
  const tokenOf = async (address: typeof press): Promise<string> => {
    const issued = await tokens.issue(address, { audience: 'skein-broker', ttlMs: 60_000 });
    return issued.token;
  };
  let broker: EmbeddedBroker;
  let heard: HeardMessages;

  beforeEach(async () => {
    broker = createBroker().broker;
    heard = new HeardMessages();
    const admit = async (): Promise<'ok'> => 'ok';
    await broker.start(createTokenGate(tokens, admit), heard);
  });
  afterEach(() => broker.close());

  /** Runs mosquitto_sub until it ends; `meanwhile` runs once it is connected, or has ended. */
  async function listen(
    args: readonly string[],
    options: { readonly id?: string; readonly meanwhile?: () => Promise<void> } = {},
  ): Promise<{ readonly output: string; readonly code: number | null }> {
    const id = options.id ?? 'press-7';
    const login = ['-i', id, '-u', id, '-P', await tokenOf(press)];
    const server = ['-h', '127.0.0.1', '-p', String(broker.ports()[0]), '-W', '2', '-v'];
    const child = spawn('mosquitto_sub', [...server, ...login, ...args]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    while (child.exitCode === null && !broker.isConnected(press)) {
      await new Promise((go) => setTimeout(go, 10));
    }
    await new Promise((go) => setTimeout(go, 200));
    await options.meanwhile?.();
    return { code: await ended, output };
  }

  /** Another device lives beside it: orders live and retained, windows, and a death with a will. */
  async function lifeOfLathe(): Promise<void> {
    const other = await RawClient.open(broker.ports()[0] ?? 0);
    other.send(connectPacket({ clientId: 'lathe-3', password: await tokenOf(lathe) }));
    await other.bytes(4);
    other.send(subscribePacket(downFilter(lathe)));
    await other.bytes(9);
    other.send(publishPacket(upTopic(lathe, 'window'), Buffer.from('lathe-window')));
    other.send(publishPacket(upTopic(lathe, 'presence'), Buffer.from('lathe-presence'), 1));
    await broker.publish(lathe, { kind: 'command', bytes: utf8('lathe-command') });
    await broker.publish(lathe, { kind: 'desired', bytes: utf8('lathe-retained'), retain: true });
    await other.bytes(40);
    other.socket.destroy();
  }

  test('when it subscribes to its own filter, it hears its own retained and live orders', async () => {
    await broker.publish(press, { kind: 'desired', bytes: utf8('mine-retained'), retain: true });
    await broker.publish(lathe, { kind: 'desired', bytes: utf8('lathe-retained'), retain: true });
    const { output } = await listen(['-t', downFilter(press), '-q', '1'], {
      meanwhile: async () => {
        await lifeOfLathe();
        await broker.publish(press, { kind: 'command', bytes: utf8('mine-live') });
      },
    });
    expect(output).toContain(`${downTopic(press, 'desired')} mine-retained`);
    expect(output).toContain(`${downTopic(press, 'command')} mine-live`);
    expect(output).not.toContain('lathe');
    expect(heard.lines).toContain('plant/lathe-3 window lathe-window');
  });

  const filters = ['#', '+/#', '$SYS/#', 'skein/#', 'skein/v1/+/+/+/+/+', downFilter(lathe)];
  test.each(filters)('when it subscribes to %s, it hears nothing at all', async (filter) => {
    await broker.publish(lathe, { kind: 'desired', bytes: utf8('lathe-retained'), retain: true });
    const { output } = await listen(['-t', filter, '-q', '1'], { meanwhile: lifeOfLathe });
    expect(output).not.toContain('lathe-');
    expect(output).toContain('denied');
  });

  test.each(['+', '#', 'lathe-3'])('when it calls itself %s, it is not let in', async (id) => {
    const { output } = await listen(['-t', '#'], { id });
    expect(output).toMatch(/Connection (error|Refused)/i);
    expect(output).not.toContain('lathe-');
  });

  test('when it asks for a lasting session, it is not let in, so nothing is queued', async () => {
    const { output } = await listen(['-t', downFilter(press), '-q', '1', '-c']);
    expect(output).toMatch(/Connection (error|Refused)/i);
  });

  test('when it publishes as another device, the server hears nothing', async () => {
    const login = ['-i', 'press-7', '-u', 'press-7', '-P', await tokenOf(press)];
    const server = ['-h', '127.0.0.1', '-p', String(broker.ports()[0])];
    const publish = spawn('mosquitto_pub', [
      ...server,
      ...login,
      ...['-t', upTopic(lathe, 'window'), '-m', 'forged', '-q', '1'],
    ]);
    await new Promise((resolve) => publish.on('close', resolve));
    expect(heard.lines).toEqual([]);
  });
});
