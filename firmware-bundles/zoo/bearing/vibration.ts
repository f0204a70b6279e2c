import type { Prng } from '../../../shared/core/prng.ts';
import { type BearingGeometry, faultOrders } from './bearing-geometry.ts';

export const bearingStates = ['healthy', 'outer', 'inner', 'ball'] as const;
export type BearingState = (typeof bearingStates)[number];

/** The machine and its sensor; each of these can drift while a model is in service. */
export interface Machine {
  readonly geometry: BearingGeometry;
  readonly shaftHz: number;
  /** Resonance of the housing that each strike rings. */
  readonly resonanceHz: number;
  /** Decay of the ringing, 1/s. */
  readonly dampingPerS: number;
  /** Output of the sensor per unit of acceleration. */
  readonly sensorGain: number;
  /** Standard deviation of the broadband noise. */
  readonly noise: number;
  /** Amplitude of one strike; 0.3 is an early fault, 2 a late one. */
  readonly severity: number;
}

export const sampleHz = 12_800;
export const windowSamples = 4096;

/**
 * One window of acceleration. A fault strikes once per passing ball, with 1 % slip from strike to strike; an inner
 * fault is loud only in the load zone (once per turn), a ball fault once per turn of the cage.
 */
export function vibrationWindow(state: BearingState, machine: Machine, prng: Prng): Float64Array {
  const window = new Float64Array(windowSamples);
  const shaftPhase = 2 * Math.PI * prng.nextUnit();
  const turn = (2 * Math.PI * machine.shaftHz) / sampleHz;
  for (let i = 0; i < windowSamples; i += 1) {
    window[i] =
      0.5 * Math.sin(turn * i + shaftPhase) +
      0.2 * Math.sin(2 * turn * i + 1.7 * shaftPhase) +
      machine.noise * gaussian(prng);
  }
  if (state !== 'healthy') addStrikes(window, { state, machine, prng, shaftPhase });
  for (let i = 0; i < windowSamples; i += 1) window[i] = (window[i] ?? 0) * machine.sensorGain;
  return window;
}

function addStrikes(
  window: Float64Array,
  source: {
    readonly state: Exclude<BearingState, 'healthy'>;
    readonly machine: Machine;
    readonly prng: Prng;
    readonly shaftPhase: number;
  },
): void {
  const { state, machine, prng, shaftPhase } = source;
  const orders = faultOrders(machine.geometry);
  const strikesPerTurn = { outer: orders.outer, inner: orders.inner, ball: 2 * orders.ball }[state];
  const loudPerTurn = { outer: 0, inner: 1, ball: orders.cage }[state];
  const period = sampleHz / (machine.shaftHz * strikesPerTurn);
  for (let at = period * prng.nextUnit(); at < windowSamples; ) {
    const angle = (2 * Math.PI * machine.shaftHz * loudPerTurn * at) / sampleHz + shaftPhase;
    const loudness = loudPerTurn === 0 ? 1 : Math.max(0.1, (1 + Math.cos(angle)) / 2);
    ring(window, { at, amplitude: machine.severity * loudness, machine });
    at += period * (1 + 0.01 * gaussian(prng));
  }
}

function ring(
  window: Float64Array,
  strike: { readonly at: number; readonly amplitude: number; readonly machine: Machine },
): void {
  const { resonanceHz, dampingPerS } = strike.machine;
  const first = Math.ceil(strike.at);
  const last = Math.min(windowSamples, first + Math.ceil((5 * sampleHz) / dampingPerS));
  for (let i = first; i < last; i += 1) {
    const seconds = (i - strike.at) / sampleHz;
    window[i] =
      (window[i] ?? 0) +
      strike.amplitude *
        Math.exp(-dampingPerS * seconds) *
        Math.sin(2 * Math.PI * resonanceHz * seconds);
  }
}

/** Box and Muller, 1958. */
function gaussian(prng: Prng): number {
  const radius = Math.sqrt(-2 * Math.log(1 - prng.nextUnit()));
  return radius * Math.cos(2 * Math.PI * prng.nextUnit());
}
