import type { DeviceId, FleetId } from '../core/ids.ts';

/**
 * The only file that knows topic strings: `skein/v1/<fleet>/<shard>/<device>/{up,dn}/<kind>`.
 * Six slashes: AWS IoT allows seven. The shard lets server replicas share the load on any broker.
 */
export const upKinds = ['presence', 'reported', 'window', 'result', 'round'] as const;
export const downKinds = ['desired', 'ack', 'command', 'round'] as const;
export type UpKind = (typeof upKinds)[number];
export type DownKind = (typeof downKinds)[number];

export interface DeviceAddress {
  readonly fleet: FleetId;
  readonly device: DeviceId;
}

const root = 'skein/v1';

/** FNV-1a (Fowler, Noll, Vo) over the id, modulo 256: spread, not security. */
export function shardOf(device: DeviceId): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < device.length; i += 1) {
    hash = Math.imul(hash ^ device.charCodeAt(i), 0x01000193);
  }
  return (hash ^ (hash >>> 8) ^ (hash >>> 16) ^ (hash >>> 24)) & 255;
}

const base = ({ fleet, device }: DeviceAddress): string =>
  `${root}/${fleet}/${shardOf(device)}/${device}`;

export const upTopic = (address: DeviceAddress, kind: UpKind): string =>
  `${base(address)}/up/${kind}`;

export const downTopic = (address: DeviceAddress, kind: DownKind): string =>
  `${base(address)}/dn/${kind}`;

/** The one filter a device subscribes to. */
export const downFilter = (address: DeviceAddress): string => `${base(address)}/dn/+`;
