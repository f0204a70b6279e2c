import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMemoryStore } from '../../../fleet-server/adapters/sql/sql-store.ts';
import { FleetGauges } from '../../../fleet-server/runner/fleet-gauges.ts';
import { meterStore } from '../../../fleet-server/runner/metered-store.ts';
import { watchProcess } from '../../../shared/adapters/metrics/process-figures.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import { CountingMetrics } from '../../../sim/world/counting-metrics.ts';
import { HttpWorld } from '../../support/http-world.ts';
import { device, deviceId, harbour, plant, rollout } from '../../support/store-nouns.ts';

let world: HttpWorld;
let metrics: CountingMetrics;
beforeEach(async () => {
  metrics = new CountingMetrics();
  world = await HttpWorld.open({ metrics });
});
afterEach(() => world.close());

const bytesOfDisk = { freeBytes: async () => 7e9, size: async () => 1_000 };
const gaugesWith = (expiries: readonly (readonly [string, number])[] = []): FleetGauges =>
  new FleetGauges({
    ...{ metrics, clock: world.clock, store: world.store, disk: bytesOfDisk },
    repository: { expiries: async () => new Map(expiries) },
  });
const devices = (state: string, presence: string): number =>
  metrics.value('skein_devices', { state, presence });

test('given devices of two fleets, they are summed by state and presence, and a gauge goes down again', async () => {
  await world.store.transaction(async (tx) => {
    await tx.devices.insert(device('d1', { online: true }));
    await tx.devices.insert(device('d2', { fleet: harbour, online: true }));
    await tx.devices.insert(device('d3', { state: 'pending', epoch: null }));
    await tx.rollouts.insert(rollout('a'));
    await tx.rollouts.insert(rollout('b', { status: 'aborted' }));
  });
  const gauges = gaugesWith();
  await gauges.read();
  expect(devices('accepted', 'online')).toBe(2);
  expect(devices('pending', 'offline')).toBe(1);
  expect(devices('decommissioned', 'offline')).toBe(0);
  expect(metrics.value('skein_rollouts', { status: 'running' })).toBe(1);
  expect(metrics.value('skein_rollouts', { status: 'aborted' })).toBe(1);
  expect(metrics.value('skein_rounds', { status: 'reporting' })).toBe(0);
  expect(metrics.value('skein_database_bytes')).toBe(2_000);
  expect(metrics.value('skein_disk_free_bytes')).toBe(7e9);
  await world.store.transaction((tx) =>
    tx.devices.update(plant, deviceId('d1'), { online: false, state: 'decommissioned' }),
  );
  // A moment later the same count still stands; after it, a new one.
  await gauges.read();
  expect(devices('accepted', 'online')).toBe(2);
  await world.pass(limits.fleetCountMs);
  await gauges.read();
  expect(devices('accepted', 'online')).toBe(1);
  expect(devices('decommissioned', 'offline')).toBe(1);
});

test('given served metadata, seconds until each role runs out are told, also when it has run out', async () => {
  const nowMs = world.clock.nowMs();
  await gaugesWith([
    ['root', nowMs + 86_400_000],
    ['timestamp', nowMs - 2_000],
  ]).read();
  const left = (role: string): number => metrics.value('skein_metadata_expiry_seconds', { role });
  expect([left('root'), left('timestamp')]).toEqual([86_400, -2]);
});

test('when requests are answered, they count under route templates: no id and no path of a client is a label', async () => {
  const of = (route: string, status: string, method = 'GET'): number =>
    metrics.value('skein_http_requests_total', { method, route, status });
  await world.get(world.admin, '/fleets/plant/devices/d1');
  await world.get(world.admin, '/fleets/plant/devices/d2');
  await world.ask(undefined, { method: 'GET', url: '/nowhere/d1?token=secret' });
  await world.ask(undefined, { method: 'GET', url: '/livez' });
  await world.ask(undefined, { method: 'GET', url: '/readyz' });
  expect(of('/api/v1/fleets/:fleet/devices/:device', '4xx')).toBe(2);
  expect(of('/livez', '2xx')).toBe(1);
  expect(of('/readyz', '5xx')).toBe(1);
  expect(of('unmatched', '4xx')).toBe(1);
  expect(metrics.value('skein_http_request_seconds_count', { route: '/livez' })).toBe(1);
});

test('when the store writes, fails and is closed, each is counted; a bug of the work is none of its failures', async () => {
  const { store } = openMemoryStore();
  const metered = meterStore(store, { metrics, clock: world.clock });
  const failures = (code: string): number => metrics.value('skein_store_failures_total', { code });
  await metered.transaction(async () => undefined);
  expect(metrics.value('skein_store_transactions_total')).toBe(1);
  expect(metrics.value('skein_store_transaction_seconds_count')).toBe(1);
  const full = () => Promise.reject(new OperatingError('disk-full', 'no room'));
  await expect(metered.transaction(full)).rejects.toThrow('no room');
  expect(failures('disk-full')).toBe(1);
  const bug = Object.assign(new Error('a bug'), { code: 'EBUG' });
  await expect(metered.transaction(() => Promise.reject(bug))).rejects.toThrow('a bug');
  expect(failures('EBUG')).toBe(0);
  await metered.close();
  await expect(metered.read(async () => undefined)).rejects.toMatchObject({ code: 'store-closed' });
  expect(failures('store-closed')).toBe(1);
  expect(metrics.value('skein_store_transactions_total')).toBe(1);
});

test('when the process is watched, memory, processor time and lag are numbers that make sense', async () => {
  const read = watchProcess(metrics);
  read();
  const first = metrics.value('process_cpu_seconds_total');
  for (let sum = 0; sum < 2e6; sum += Math.sqrt(sum) + 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  read();
  expect(metrics.value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  expect(first).toBeGreaterThan(0);
  expect(metrics.value('process_cpu_seconds_total')).toBeGreaterThanOrEqual(first);
  expect(metrics.value('nodejs_eventloop_lag_max_seconds')).toBeGreaterThanOrEqual(0);
  expect(metrics.value('process_start_time_seconds')).toBeGreaterThan(1e9);
});
