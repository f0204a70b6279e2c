import type { DeviceId } from '../../shared/core/ids.ts';
import type { Observer } from './observer.ts';

/** What the server has issued to a device, and heard from it, never goes back. */
export function generationsRise(): Observer {
  const highest = new Map<DeviceId, { readonly issued: number; readonly seen: number }>();
  return {
    name: 'generations-rise',
    look: ({ devices }) =>
      devices.flatMap(({ device, issuedGeneration: issued, seenGeneration: seen }) => {
        const before = highest.get(device) ?? { issued: 0, seen: 0 };
        highest.set(device, {
          issued: Math.max(before.issued, issued),
          seen: Math.max(before.seen, seen),
        });
        return [
          ...(issued < before.issued ? [`${device}: issued ${issued} after ${before.issued}`] : []),
          ...(seen < before.seen ? [`${device}: seen ${seen} after ${before.seen}`] : []),
        ];
      }),
  };
}
