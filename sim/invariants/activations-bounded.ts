import { limits } from '../../shared/contracts/limits.ts';
import type { Observer } from './observer.ts';

/** A digest under one generation is tried at most so many times, however often the power goes. */
export const activationsBounded = (): Observer => ({
  name: 'activations-bounded',
  look: ({ devices }) =>
    devices.flatMap(({ device, activations }) =>
      activations <= limits.activationsMax ? [] : [`${device} has tried ${activations} times`],
    ),
});
