import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeFrame } from '../../../shared/codec/frame.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { DownKind } from '../../../shared/contracts/topics.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import type { BootId, DeviceId, Epoch } from '../../../shared/core/ids.ts';
import { smokeFleet as fleet, SmokeFleet } from '../../../sim/scenarios/smoke-fleet.ts';

const device = 'edge-0' as DeviceId;
let world: SmokeFleet;

beforeEach(async () => {
  world = new SmokeFleet('refused-frames', [{ version: '1.0.0' }]);
  await world.open(1);
  await world.loop.runFor(5_000);
});
afterEach(() => world.stop());

const one = () => {
  const found = world.devices.get(device);
  if (found === undefined) throw new Error('no device');
  return found;
};

const counted = (code: string): number =>
  one().metrics.value('skein_frames_refused_total', { code });

/** What was logged of refused messages, as `code unsaid`. */
const said = (): readonly string[] =>
  one()
    .log.entries.filter(({ event }) => event === 'frame-refused')
    .map(({ fields }) => `${String(fields['code'])} ${String(fields['unsaid'])}`);

async function receive(kind: DownKind, bytes: Uint8Array): Promise<void> {
  await world.broker.publish({ fleet, device }, { kind, bytes });
  await world.loop.runFor(10);
}

async function frame(
  body: string,
  change: { readonly epoch?: Epoch; readonly exp?: number } = {},
): Promise<Uint8Array> {
  const known = await world.loop.runUntil(
    world.store.read((view) => view.devices.get(fleet, device)),
  );
  const epoch = change.epoch ?? known?.epoch ?? ('0'.repeat(32) as Epoch);
  const boot = '0'.repeat(32) as BootId;
  const header = { v: 1, id: '0'.repeat(16), ts: 1, epoch, boot, seq: 1 } as const;
  const exp = change.exp === undefined ? {} : { exp: change.exp };
  return encodeFrame({ ...header, ...exp, mac: '0'.repeat(64) }, utf8(body));
}

test('given frames that are none, a forged acknowledgement and orders of nobody, the device counts each by its code', async () => {
  const before = one().agent?.state;
  await receive('desired', utf8('no header line'));
  await receive('ack', utf8('{}\n{}'));
  await receive('ack', await frame('{"outbox":"x","durable":9}'));
  await receive('ack', await frame('{}', { epoch: 'f'.repeat(32) as Epoch }));
  await receive('desired', await frame('{"payload":""}'));
  await receive('command', await frame('{}'));
  await receive('round', await frame('{}'));
  expect(counted('malformed-frame')).toBe(2);
  expect(counted('mac-invalid')).toBe(1);
  expect(counted('epoch-mismatch')).toBe(1);
  expect(counted('malformed-envelope')).toBe(2);
  expect(counted('kind-not-expected')).toBe(1);
  expect(one().agent?.state).toEqual(before);
  expect(world.broker.isConnected({ fleet, device })).toBe(true);
});

test('given frames past the instant their sender named, trusted time drops them and spares those before it', async () => {
  const trustedMs = world.time.startWallMs + world.time.nowMs;
  await receive('round', await frame('{}', { exp: trustedMs - 1 }));
  expect([counted('frame-expired'), counted('malformed-envelope')]).toEqual([1, 0]);
  await receive('round', await frame('{}', { exp: trustedMs + 60_000 }));
  expect([counted('frame-expired'), counted('malformed-envelope')]).toEqual([1, 1]);
});

test('given a flood of one code, one line a minute is logged, and the next one says how many were not', async () => {
  for (let sent = 0; sent < 500; sent += 1) await receive('ack', utf8('x'));
  await receive('command', await frame('{}'));
  expect(counted('malformed-frame')).toBe(500);
  expect(said()).toEqual(['malformed-frame 0', 'kind-not-expected 0']);
  await world.loop.runFor(limits.refusalLogMs);
  await receive('ack', utf8('x'));
  await receive('ack', utf8('x'));
  expect(said().slice(2)).toEqual(['malformed-frame 499']);
  expect(counted('malformed-frame')).toBe(502);
});
