import { createHash } from 'node:crypto';
import { quantizeWeights } from '../../optimize/quantize-weights.ts';
import { fitSoftmaxRegression, type LinearClassifier } from '../../train/softmax-regression.ts';
import type { CatalogueFile } from './catalogue.ts';
import { filetypeFeatureCount, hellingerRows } from './features.ts';
import type { FiletypeWeights } from './graph.ts';

/** Chosen on the `first` part alone, by the accuracy on its calibration packages. */
const fitOptions = { epochs: 8, learningRate: 0.5, decay: 0, seed: 'filetype/fit' } as const;

/** What is learned from, and packages kept back to count the reference profile on files not learned. */
export interface LearningFiles {
  readonly learn: readonly CatalogueFile[];
  readonly calibrate: readonly CatalogueFile[];
}

/** Every eighth package by hash calibrates: a profile of learned files would promise too much confidence. */
export function splitLearning(files: readonly CatalogueFile[]): LearningFiles {
  const isCalibration = (name: string): boolean =>
    ((createHash('sha256').update(`filetype/calibrate/${name}`).digest()[0] ?? 0) & 7) === 0;
  return {
    learn: files.filter((file) => !isCalibration(file.package)),
    calibrate: files.filter((file) => isCalibration(file.package)),
  };
}

export function fitFiletype(
  files: readonly CatalogueFile[],
  labels: readonly string[],
): LinearClassifier {
  return fitSoftmaxRegression(
    {
      rows: hellingerRows(files.map((file) => file.counts)),
      labels: Uint8Array.from(files, (file) => labels.indexOf(file.label)),
      features: filetypeFeatureCount,
      classes: labels.length,
    },
    fitOptions,
  );
}

/** float32 weights to what the inference graph carries; also the last step of a federated round. */
export const quantizeClassifier = (model: LinearClassifier): FiletypeWeights => ({
  ...quantizeWeights(model.weights, model.bias.length),
  bias: model.bias,
});
