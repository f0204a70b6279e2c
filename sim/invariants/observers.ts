import { abortSticks } from './abort-sticks.ts';
import { activationsBounded } from './activations-bounded.ts';
import { auditHolds } from './audit-holds.ts';
import { generationsRise } from './generations-rise.ts';
import type { Observer } from './observer.ts';
import { signedModelsOnly } from './signed-models-only.ts';
import { wavesCapped } from './waves-capped.ts';
import { workingModelKept } from './working-model-kept.ts';

/** One of each, for one run: some remember what they saw. */
export const allObservers = (): readonly Observer[] => [
  signedModelsOnly(),
  activationsBounded(),
  workingModelKept(),
  generationsRise(),
  wavesCapped(),
  abortSticks(),
  auditHolds(),
];
