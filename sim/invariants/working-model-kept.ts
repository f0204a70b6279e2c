import type { DeviceId } from '../../shared/core/ids.ts';
import type { Observer } from './observer.ts';

/** Longer than any boot takes to open what it ran before. */
const bootMs = 30_000;

/** A device that has committed a model keeps one, and answers by one soon after every boot. */
export function workingModelKept(): Observer {
  const proven = new Set<DeviceId>();
  return {
    name: 'working-model-kept',
    look: ({ devices }) =>
      devices.flatMap(({ device, upForMs, running, held, committed }) => {
        if (committed !== null) proven.add(device);
        if (upForMs === null || !proven.has(device)) return [];
        if (held.length === 0) return [`${device} keeps no model`];
        return running === null && upForMs > bootMs ? [`${device} answers by no model`] : [];
      }),
  };
}
