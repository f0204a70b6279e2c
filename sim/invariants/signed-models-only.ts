import type { Observer } from './observer.ts';

/** Nothing answers on a device that was not signed offline. */
export const signedModelsOnly = (): Observer => ({
  name: 'signed-models-only',
  look: ({ devices, signed }) =>
    devices.flatMap(({ device, running }) =>
      running === null || signed.has(running) ? [] : [`${device} runs ${running}`],
    ),
});
