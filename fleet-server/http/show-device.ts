import type { DeviceAppView, DeviceRow, DeviceView } from '../../shared/contracts/api/device.ts';
import { printable } from '../../shared/core/printable.ts';
import type { Device } from '../core/model/device.ts';
import type { DeviceApp } from '../core/model/device-app.ts';
import { spokenWith } from '../core/session/spoken-protocol.ts';

/** Texts that a device sent are text: nobody who prints them is steered by them. */
const textOrNull = (text: string | null): string | null => (text === null ? null : printable(text));

export function showDevice(device: Device): DeviceRow {
  const facts = Object.entries(device.facts).map(([name, value]) => [
    printable(name),
    typeof value === 'string' ? printable(value) : value,
  ]);
  return {
    device: device.device,
    state: device.state,
    online: device.online,
    lastSeenMs: device.lastSeenMs,
    enrolledAtMs: device.enrolledAtMs,
    tags: { ...device.tags },
    facts: Object.fromEntries(facts) as DeviceRow['facts'],
    zone: textOrNull(device.zone),
    agentVersion: textOrNull(device.agentVersion),
    keyDigest: device.keyDigest,
    cell: device.cell,
  };
}

export function showWholeDevice(device: Device, apps: readonly DeviceApp[]): DeviceView {
  return {
    ...showDevice(device),
    protocol: { min: device.protocolMin, max: device.protocolMax, spoken: spokenWith(device) },
    generation: { issued: device.issuedGeneration, seen: device.seenGeneration },
    apps: apps.map(showApp),
  };
}

const showApp = (app: DeviceApp): DeviceAppView => ({
  app: app.app,
  desired: app.desired,
  previous: app.previous,
  phase: app.phase,
  active: app.active,
  lastGood: app.lastGood,
  reason: textOrNull(app.reason),
  regressed: app.regressed,
  firstCommittedAtMs: app.firstCommittedAtMs,
  refused: app.refused.map((entry) => ({ ...entry, reason: printable(entry.reason) })),
});
