import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { downTopic } from '../../shared/contracts/topics.ts';
import type { TargetPath } from '../../shared/core/ids.ts';
import { CountingMetrics } from '../../sim/world/counting-metrics.ts';
import {
  type Attack,
  attacks,
  forgedAck,
  forgedOrder,
  forgedWindow,
} from '../support/broker-attacks.ts';
import { DeviceWorld, doubler, doublerBundle, worldFleet } from '../support/device-world.ts';
import { type Caught, ManInTheMiddle, passOn, type Way } from '../support/man-in-the-middle.ts';
import { truthOf } from '../support/said-and-signed.ts';
import { WatchedDevice } from '../support/watched-device.ts';

const bundles = [doublerBundle('1.0.0'), doublerBundle('2.0.0')] as const;
const [v1, v2] = bundles;
const serverMetrics = new CountingMetrics();
const devices = [new WatchedDevice('edge-1'), new WatchedDevice('edge-2')] as const;
let world: DeviceWorld;
let man: ManInTheMiddle;
let wanted: PackedBundle = v1;

beforeAll(async () => {
  world = await DeviceWorld.open(bundles, serverMetrics);
  man = await ManInTheMiddle.open(world.brokerPort);
  for (const device of devices) await device.start(world, man.url);
  // Membership freezes over who is there.
  for (const device of devices) await until(async () => (await known(device)).row?.online === true);
  await order(v1);
  await converged();
  // Each device has something to repeat from an earlier session and an earlier order.
  await order(v2);
  await heal();
}, 60_000);

afterAll(async () => {
  for (const device of devices) await device.stop();
  await man.close();
  await world.close();
});

/** The test's own timeout is the watchdog. */
async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function order(bundle: PackedBundle): Promise<void> {
  wanted = bundle;
  await world.rollOut(bundle);
}

const countOf = (metrics: CountingMetrics, code: string): number =>
  metrics.value('skein_frames_refused_total', { code });

const known = (device: WatchedDevice) =>
  world.store.read(async (view) => ({
    row: await view.devices.get(worldFleet, device.id),
    app: await view.deviceApps.get(worldFleet, device.id, doubler),
  }));

/** Every window that was said until now has been taken. */
async function isDrained(device: WatchedDevice): Promise<boolean> {
  const said = [...truthOf(device.id, man.caught).windows.values()];
  const last = Math.max(0, ...said.map((window) => window.last));
  return (await durableOf(device)) >= last - 1;
}

async function durableOf(device: WatchedDevice): Promise<number> {
  const [first] = [...truthOf(device.id, man.caught).windows.values()];
  if (first === undefined) return 0;
  const name = { device: device.id, outbox: first.outbox };
  const [mark] = await world.store.read((view) => view.windows.marks(worldFleet, [name]));
  return mark?.durable ?? 0;
}

async function converged(): Promise<void> {
  for (const device of devices) {
    await until(async () => {
      const { app } = await known(device);
      const runs = device.active === wanted.digest && app?.active === wanted.digest;
      return runs && app.phase === 'committed' && (await isDrained(device));
    });
  }
}

/** Whoever sat in the middle is gone, and its connections are. */
async function heal(): Promise<void> {
  man.tamper = passOn;
  man.cut();
  await converged();
}

/** What must hold at every moment, whatever anybody did to the messages. */
async function expectTruth(): Promise<void> {
  let said = 0;
  for (const device of devices) {
    // The server's side first: what it knows was said before it was known.
    const { row, app } = await known(device);
    const journal = await device.journal();
    const { active, generation } = device;
    const truth = truthOf(device.id, man.caught);
    for (const event of journal) {
      if (event.kind !== 'desired-accepted') continue;
      const signed = truth.orders.get(event.seen.generation);
      expect(signed, `${device.id} obeyed ${event.seen.generation}`).toBeDefined();
      expect(event.targets.map(({ app: name, path, digest }) => ({ name, path, digest }))).toEqual(
        signed?.apps.map(({ app: name, path, digest }) => ({ name, path, digest })),
      );
      expect(event.revoked).toEqual(signed?.revoked);
    }
    expect(generation).toBeLessThanOrEqual(Math.max(0, ...truth.orders.keys()));
    expect([v1.digest, v2.digest, undefined]).toContain(active);
    const report = truth.reports.get(row?.reportedNumber ?? -1);
    expect(row?.facts['own.name']).toBe(device.id);
    expect(report?.facts['own.name']).toBe(device.id);
    expect(app?.active ?? undefined).toBe(report?.apps[0]?.active);
    expect(app?.refused).toEqual([]);
    said += truth.windows.size;
  }
  expect(serverMetrics.value('skein_windows_total')).toBeLessThanOrEqual(said);
}

const other = (): PackedBundle => (wanted === v1 ? v2 : v1);

async function attack(one: Attack, way: Way): Promise<void> {
  const server = way === 'up' ? one.server : [];
  const ofDevice = way === 'down' || one.isOnWayUpOnly === true ? one.device : [];
  const before = new Map([
    ...server.map((code) => [`server ${code}`, countOf(serverMetrics, code)] as const),
    ...ofDevice.map((code) => [`device ${code}`, refusedBy(code)] as const),
  ]);
  let hits = 0;
  const tamper = one.begin(man);
  man.tamper = (caught: Caught) => {
    if (caught.way !== way) return [caught];
    const next = tamper(caught);
    if (next.length !== 1 || next[0] !== caught) hits += 1;
    return next;
  };
  await order(other());
  // Who hears nothing falls silent; a new session says everything anew.
  const restless = setInterval(() => man.cut(), 2_000);
  await until(
    () =>
      hits >= 6 &&
      server.every((code) => countOf(serverMetrics, code) > (before.get(`server ${code}`) ?? 0)) &&
      ofDevice.every((code) => refusedBy(code) > (before.get(`device ${code}`) ?? 0)),
  ).finally(() => clearInterval(restless));
}

const refusedBy = (code: string): number =>
  devices.reduce((sum, device) => sum + device.refused(code), 0);

const newest = (device: WatchedDevice, way: Caught['way'], kind: string): Caught => {
  const found = man.caught.findLast(
    (one) => one.device === device.id && one.way === way && one.kind === kind,
  );
  if (found === undefined) throw new Error(`no ${way} ${kind} was heard`);
  return found;
};

describe('a rewriting, replaying broker between server and agents changes nothing but availability', () => {
  const ways = attacks.flatMap((one) => [
    { name: `${one.name}, on the way up`, one, way: 'up' as const },
    ...(one.isOnWayUpOnly === true
      ? []
      : [{ name: `${one.name}, on the way down`, one, way: 'down' as const }]),
  ]);
  for (const { name, one, way } of ways) {
    it(`when it ${name}`, { timeout: 60_000 }, async () => {
      await attack(one, way);
      await expectTruth();
      await heal();
      await expectTruth();
    });
  }

  it('when it invents orders, acknowledgements, commands, rounds, windows and reports', {
    timeout: 60_000,
  }, async () => {
    const path = `bundles/doubler@${other().config.version}` as TargetPath;
    const apps = [{ app: doubler, path, digest: other().digest, retry: 0 }];
    const codes = ['unknown-key', 'mac-invalid', 'kind-not-expected'];
    const before = codes.map(refusedBy);
    const refusedThere = countOf(serverMetrics, 'mac-invalid');
    for (const device of devices) {
      const window = newest(device, 'up', 'window');
      const desired = newest(device, 'down', 'desired');
      const forged = await forgedOrder(desired, { generation: device.generation + 1, apps });
      const { payload } = forged;
      man.inject(device.id, 'down', { ...forged, retain: true });
      man.inject(device.id, 'down', forgedAck(newest(device, 'down', 'ack'), window));
      for (const kind of ['command', 'round'] as const) {
        man.inject(device.id, 'down', {
          ...forged,
          topic: downTopic(device.address, kind),
          payload,
        });
      }
      man.inject(device.id, 'up', forgedWindow(window));
      man.inject(device.id, 'up', { ...newest(device, 'up', 'reported'), payload });
    }
    await until(() => codes.every((code, at) => refusedBy(code) >= (before[at] ?? 0) + 2));
    await until(() => countOf(serverMetrics, 'mac-invalid') >= refusedThere + 4);
    await expectTruth();
    await order(other());
    await heal();
    await expectTruth();
  });

  it('when all of it is over, every window that a device said was counted once and none was lost', async () => {
    await heal();
    for (const device of devices) await device.stop();
    let covered = 0;
    let said = 0;
    for (const device of devices) {
      const windows = [...truthOf(device.id, man.caught).windows.values()];
      const durable = await durableOf(device);
      const taken = windows.filter((window) => window.last <= durable);
      const numbers = taken.flatMap(({ first, last: end }) =>
        Array.from({ length: end - first + 1 }, (_, at) => first + at),
      );
      expect(numbers.sort((a, b) => a - b)).toEqual(
        Array.from({ length: durable }, (_, at) => at + 1),
      );
      covered += taken.length;
      said += windows.length;
    }
    // Of the last one the device may not have heard any more that it was taken.
    const counted = serverMetrics.value('skein_windows_total');
    expect(counted).toBeGreaterThanOrEqual(covered);
    expect(counted).toBeLessThanOrEqual(said);
    expect(said - covered).toBeLessThanOrEqual(2 * devices.length);
  });
});
