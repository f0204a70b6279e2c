import { openStateDisk } from '../../agent/adapters/state-folder.ts';
import { type DeviceStatus, readDeviceStatus } from '../../agent/runner/device-status.ts';
import { printable } from '../../shared/core/printable.ts';
import { isPlaintextAway } from '../api/plaintext-url.ts';

/** `undefined` for a folder that holds no device. */
export const readStatus = (state: string): Promise<DeviceStatus | undefined> =>
  readDeviceStatus(openStateDisk(state));

/** A few lines for a person. */
export function statusTable(status: DeviceStatus): string {
  const { device, fleet, origin, isAdmitted, generation, apps } = status;
  const open = isPlaintextAway(origin) ? ' (not encrypted)' : '';
  const head = `${device} of ${fleet} at ${origin}${open}`;
  const admitted = isAdmitted ? 'admitted' : 'never admitted yet';
  const rows = [
    ['APP', 'PHASE', 'COMMITTED', 'WANTED', 'REASON'],
    ...apps.map((app) => [
      app.app,
      app.phase,
      app.committed ?? '-',
      app.wanted ?? '-',
      app.reason ?? '-',
    ]),
  ];
  const widths = rows[0]?.map((_cell, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths?.[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const text = [`${head}: ${admitted}, generation ${generation}`, ...lines];
  return text.map((line) => `${printable(line)}\n`).join('');
}
