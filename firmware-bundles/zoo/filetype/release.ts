import type { BundleConfig, GoldenVectors } from '../../../shared/contracts/bundle-config.ts';
import {
  type Accuracy,
  accuracyOf,
  answerRows,
  type ClassifierRows,
  stack,
} from '../../evaluate/classifier-answers.ts';
import { recordGolden } from '../../evaluate/golden-vectors.ts';
import { type OnnxSession, openOnnxSession } from '../../evaluate/onnx-session.ts';
import { referenceProfile } from '../../evaluate/reference-profile.ts';
import { type ExternalModel, externalize } from '../../onnx/external-data.ts';
import type { ModelProto } from '../../onnx/generated/onnx_pb.ts';
import type { LinearClassifier } from '../../train/softmax-regression.ts';
import type { CatalogueFile } from './catalogue.ts';
import { fitFiletype, quantizeClassifier, splitLearning } from './fit.ts';
import {
  type FiletypeWeights,
  filetypeModel,
  filetypeTensors,
  filetypeTrainable,
} from './graph.ts';

/** A fitted `filetype` with everything a bundle of it needs. */
export interface FiletypeRelease {
  readonly labels: readonly string[];
  /** float32 weights: what federated training starts from. */
  readonly classifier: LinearClassifier;
  readonly weights: FiletypeWeights;
  readonly model: ExternalModel;
  /** Count rows of the golden inputs, for releases that treat them apart. */
  readonly goldenRows: readonly Uint8Array[];
  readonly golden: GoldenVectors;
  readonly profile: BundleConfig['profile'];
}

const goldenPerClass = 3;
/** Packages that golden answers of a class are chosen from. */
const goldenChoice = 40;
/**
 * Largest difference of a golden probability: the runtime's int8 kernels differ between processors by a few
 * thousandths, and a federated candidate may move by more.
 */
export const filetypeGoldenTolerance = 0.02;

/** Fits on the files given and runs the int8 graph once to record golden vectors and reference profile. */
export async function buildFiletypeRelease(
  files: readonly CatalogueFile[],
  labels: readonly string[],
): Promise<FiletypeRelease> {
  const { learn, calibrate } = splitLearning(files);
  const classifier = fitFiletype(learn, labels);
  return assembleFiletypeRelease({ classifier, labels, learn, calibrate });
}

/** The same around given weights: also how a federated candidate's profile is made. */
export async function assembleFiletypeRelease(from: {
  readonly classifier: LinearClassifier;
  readonly labels: readonly string[];
  readonly learn: readonly CatalogueFile[];
  readonly calibrate: readonly CatalogueFile[];
}): Promise<FiletypeRelease> {
  const weights = quantizeClassifier(from.classifier);
  const model = externalizeFiletype(filetypeModel(weights));
  const session = await openOnnxSession(model);
  try {
    const goldenRows = await chooseGolden(session, from.learn, from.labels);
    const golden = await recordGolden(
      session,
      goldenRows.map((row) => ({ [filetypeTensors.input]: stack([row], 'uint8') })),
    );
    const answers = await answerRows(session, askedOf(from.calibrate));
    return {
      labels: from.labels,
      classifier: from.classifier,
      weights,
      model,
      goldenRows,
      golden,
      profile: referenceProfile(answers, from.labels),
    };
  } finally {
    await session.close();
  }
}

/** What a federated candidate replaces, by location: the averaged float32 weights, quantized again. */
export const candidateTensors = (classifier: LinearClassifier): ExternalModel['tensors'] =>
  externalizeFiletype(filetypeModel(quantizeClassifier(classifier))).tensors;

/** What a federated round may replace always lies outside the graph, so that the graph stays the same bytes. */
export const externalizeFiletype = (model: ModelProto): ExternalModel =>
  externalize(model, { replaceable: filetypeTrainable });

/** Accuracy of a packed graph on files, through the runtime that devices use. */
export async function evaluateFiletype(
  model: ExternalModel,
  files: readonly CatalogueFile[],
  labels: readonly string[],
): Promise<Accuracy> {
  const session = await openOnnxSession(model);
  try {
    const answers = await answerRows(session, askedOf(files));
    return accuracyOf(
      answers,
      files.map((file) => labels.indexOf(file.label)),
    );
  } finally {
    await session.close();
  }
}

const askedOf = (files: readonly CatalogueFile[]): ClassifierRows => ({
  input: filetypeTensors.input,
  output: filetypeTensors.output,
  type: 'uint8',
  rows: files.map((file) => file.counts),
});

/**
 * Count rows of three sure answers of each class, from different packages: a federated candidate has to reproduce
 * its parent's golden vectors, and a sure answer moves less than the tolerance when the weights move a little.
 */
async function chooseGolden(
  session: OnnxSession,
  files: readonly CatalogueFile[],
  labels: readonly string[],
): Promise<readonly Uint8Array[]> {
  const rows: Uint8Array[] = [];
  for (const label of labels) {
    const perPackage = new Map<string, CatalogueFile>();
    for (const file of files) {
      if (file.label === label && !perPackage.has(file.package)) perPackage.set(file.package, file);
    }
    const choice = [...perPackage.values()].slice(0, goldenChoice);
    const answers = await answerRows(session, askedOf(choice));
    const ranked = choice
      .map((file, at) => ({ file, sure: answers[at]?.[labels.indexOf(label)] ?? 0 }))
      .sort((a, b) => b.sure - a.sure);
    rows.push(...ranked.slice(0, goldenPerClass).map(({ file }) => file.counts));
  }
  return rows;
}
