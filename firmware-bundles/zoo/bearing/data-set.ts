import { createPrng } from '../../../shared/core/prng.ts';
import { bearing6205 } from './bearing-geometry.ts';
import { bearingFeatures } from './features.ts';
import { bearingStates, type Machine, vibrationWindow } from './vibration.ts';

export interface BearingSample {
  readonly features: Float32Array;
  /** Index into `bearingStates`. */
  readonly label: number;
}

/** How far the machines in service have moved from those the model learned: factors, 1 = not at all. */
export interface BearingDrift {
  readonly gain: number;
  readonly speed: number;
  readonly resonance: number;
  readonly noise: number;
}

export const noDrift: BearingDrift = { gain: 1, speed: 1, resonance: 1, noise: 1 };

/** `count` windows, each of another machine drawn from the seed, states in turn. */
export function bearingSamples(options: {
  readonly seed: string;
  readonly count: number;
  readonly drift?: BearingDrift;
}): readonly BearingSample[] {
  const drift = options.drift ?? noDrift;
  return Array.from({ length: options.count }, (_, index) => {
    const prng = createPrng(`bearing/${options.seed}/${index}`);
    const label = index % bearingStates.length;
    const between = (low: number, high: number): number => low + (high - low) * prng.nextUnit();
    const machine: Machine = {
      geometry: bearing6205,
      shaftHz: between(25, 35) * drift.speed,
      resonanceHz: between(2500, 4000) * drift.resonance,
      dampingPerS: between(600, 1200),
      sensorGain: between(0.8, 1.25) * drift.gain,
      noise: between(0.15, 0.35) * drift.noise,
      severity: between(0.4, 1.6),
    };
    const state = bearingStates[label] ?? 'healthy';
    const window = vibrationWindow(state, machine, prng.fork('window'));
    return { features: bearingFeatures(window, machine), label };
  });
}
