import { invariant } from '../../shared/core/invariant.ts';
import type { Tensor } from '../../shared/ports/inference-runtime.ts';
import type { MemoryModel } from '../../shared/runtime/memory/memory-model.ts';

/** Shape and names of a linear classifier under softmax, and of the graph that trains it. */
export interface LinearForm {
  readonly features: number;
  readonly classes: number;
  /** float32 [batch, features]. */
  readonly input: string;
  /** float32 [batch, classes], probabilities. */
  readonly output: string;
  /** float32 [features, classes] and [classes]. */
  readonly weights: string;
  readonly bias: string;
  /** Virtual milliseconds of one run. */
  readonly runMs: number;
  readonly residentBytes: number;
}

export interface LinearParameters {
  /** Row-major [features, classes]. */
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/** What the graph `softmax(x W + b)` answers, as arithmetic. */
export function linearClassifier(form: LinearForm, parameters: LinearParameters): MemoryModel {
  const { input, output, classes, features, runMs, residentBytes } = form;
  return {
    inputs: [{ name: input, type: 'float32', shape: ['batch', features] }],
    outputs: [output],
    residentBytes,
    answer: (inputs) => {
      const rows = rowsOf(inputs.get(input), features);
      const shares = rows.flatMap((row) => logShares(form, parameters, row).map(Math.exp));
      const answer = tensorOf([rows.length, classes], Float32Array.from(shares));
      return { kind: 'outputs', outputs: new Map([[output, answer]]), runMs };
    },
  };
}

/**
 * The twin of a linear training graph: one step of gradient descent under softmax cross-entropy. With p the answer and
 * onehot labels y: dW = x^T (p - y) / n, db = sum (p - y) / n, `next/<name> = <name> - lr * grad/<name>`.
 */
export function linearTraining(form: LinearForm): MemoryModel {
  const { input, weights, bias, features, classes, runMs, residentBytes } = form;
  return {
    inputs: [
      { name: input, type: 'float32', shape: ['batch', features] },
      { name: 'labels', type: 'int64', shape: ['batch'] },
      { name: weights, type: 'float32', shape: [features, classes] },
      { name: bias, type: 'float32', shape: [classes] },
      { name: 'lr', type: 'float32', shape: [] },
    ],
    outputs: ['loss', `grad/${weights}`, `next/${weights}`, `grad/${bias}`, `next/${bias}`],
    residentBytes,
    answer: (inputs) => {
      const parameters = {
        weights: floatsOf(inputs.get(weights)),
        bias: floatsOf(inputs.get(bias)),
      };
      const rows = rowsOf(inputs.get(input), features);
      const labels = integersOf(inputs.get('labels'));
      const [rate = Number.NaN] = floatsOf(inputs.get('lr'));
      const { loss, weights: slopes, bias: shift } = slopesOf(form, parameters, { rows, labels });
      const outputs = new Map([
        ['loss', tensorOf([], Float32Array.of(loss))],
        [`grad/${weights}`, tensorOf([features, classes], slopes)],
        [
          `next/${weights}`,
          tensorOf([features, classes], stepped(parameters.weights, slopes, rate)),
        ],
        [`grad/${bias}`, tensorOf([classes], shift)],
        [`next/${bias}`, tensorOf([classes], stepped(parameters.bias, shift, rate))],
      ]);
      return { kind: 'outputs', outputs, runMs };
    },
  };
}

interface LabelledRows {
  readonly rows: readonly Float32Array[];
  readonly labels: readonly number[];
}

/** Mean loss in nats and its slope at the parameters. */
function slopesOf(
  form: LinearForm,
  parameters: LinearParameters,
  { rows, labels }: LabelledRows,
): LinearParameters & { readonly loss: number } {
  const { features, classes } = form;
  const weights = new Float64Array(features * classes);
  const bias = new Float64Array(classes);
  let loss = 0;
  rows.forEach((row, at) => {
    const label = labels[at];
    const logs = logShares(form, parameters, row);
    logs.forEach((log, column) => {
      const isRight = column === label;
      if (isRight) loss -= log / rows.length;
      const difference = (Math.exp(log) - (isRight ? 1 : 0)) / rows.length;
      bias[column] = (bias[column] ?? 0) + difference;
      row.forEach((value, feature) => {
        const place = feature * classes + column;
        weights[place] = (weights[place] ?? 0) + value * difference;
      });
    });
  });
  return { loss, weights: Float32Array.from(weights), bias: Float32Array.from(bias) };
}

/** Logarithms of the class probabilities of one row. */
function logShares(
  { classes }: LinearForm,
  { weights, bias }: LinearParameters,
  row: Float32Array,
): number[] {
  const logits = Array.from(bias, (shift, column) => {
    let sum = shift;
    row.forEach((value, feature) => {
      sum += value * (weights[feature * classes + column] ?? Number.NaN);
    });
    return sum;
  });
  // The largest is taken out, so that no exponential overflows.
  const largest = Math.max(...logits);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
  return logits.map((logit) => logit - largest - Math.log(total));
}

const stepped = (from: Float32Array, slopes: Float32Array, rate: number): Float32Array =>
  from.map((value, at) => value - rate * (slopes[at] ?? Number.NaN));

function rowsOf(tensor: Tensor | undefined, width: number): readonly Float32Array[] {
  const values = floatsOf(tensor);
  return Array.from({ length: values.length / width }, (_, at) =>
    values.subarray(at * width, (at + 1) * width),
  );
}

/** The session has checked names, types and sizes before it asks. */
function floatsOf(tensor: Tensor | undefined): Float32Array {
  invariant(tensor !== undefined, 'a declared input is given');
  return new Float32Array(tensor.bytes.slice().buffer);
}

function integersOf(tensor: Tensor | undefined): readonly number[] {
  invariant(tensor !== undefined, 'a declared input is given');
  return Array.from(new BigInt64Array(tensor.bytes.slice().buffer), Number);
}

const tensorOf = (shape: readonly number[], values: Float32Array): Tensor => ({
  type: 'float32',
  shape,
  bytes: new Uint8Array(values.slice().buffer),
});
