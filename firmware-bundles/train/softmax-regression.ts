import { createPrng } from '../../shared/core/prng.ts';

/** Rows of a sparse matrix, one after the other: row `i` is `[starts[i], starts[i + 1])` of the two arrays. */
export interface SparseRows {
  readonly starts: Uint32Array;
  readonly columns: Uint16Array;
  readonly values: Float32Array;
}

export interface SoftmaxProblem {
  readonly rows: SparseRows;
  /** Class of each row. */
  readonly labels: Uint8Array;
  readonly features: number;
  readonly classes: number;
}

export interface FitOptions {
  readonly epochs: number;
  readonly learningRate: number;
  /** Decay of a weight per visit, as a share of the learning rate. */
  readonly decay: number;
  readonly seed: string;
}

/** `weights` is row-major [features, classes]. */
export interface LinearClassifier {
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/**
 * Multinomial logistic regression by stochastic gradient descent with per-weight rates (AdaGrad: Duchi, Hazan and
 * Singer, 2011). One visit per sample and epoch, in an order drawn from the seed: the same data give the same weights.
 */
export function fitSoftmaxRegression(
  problem: SoftmaxProblem,
  options: FitOptions,
): LinearClassifier {
  const { classes, features, labels } = problem;
  const weights = new Float32Array(features * classes);
  const squares = new Float32Array(features * classes).fill(1e-4);
  const bias = new Float32Array(classes);
  const biasSquares = new Float32Array(classes).fill(1e-4);
  const order = Uint32Array.from(labels, (_, index) => index);
  const prng = createPrng(options.seed);
  const errors = new Float64Array(classes);
  for (let epoch = 0; epoch < options.epochs; epoch += 1) {
    for (let i = order.length - 1; i > 0; i -= 1) {
      const j = prng.nextBelow(i + 1);
      const held = order[i] ?? 0;
      order[i] = order[j] ?? 0;
      order[j] = held;
    }
    const rate = options.learningRate / Math.sqrt(1 + epoch);
    for (const row of order) {
      scoreErrors(problem, { weights, bias }, { row, errors });
      descend(problem.rows, { row, errors, weights, squares, rate, decay: options.decay });
      for (let c = 0; c < classes; c += 1) {
        const g = errors[c] ?? 0;
        const square = (biasSquares[c] ?? 0) + g * g;
        biasSquares[c] = square;
        bias[c] = (bias[c] ?? 0) - (rate * g) / Math.sqrt(square);
      }
    }
  }
  return { weights, bias };
}

/** Writes `softmax(x W + b) - onehot(label)` of one row into `errors`. */
function scoreErrors(
  problem: SoftmaxProblem,
  model: LinearClassifier,
  at: { readonly row: number; readonly errors: Float64Array },
): void {
  const { classes, rows } = problem;
  const { errors } = at;
  for (let c = 0; c < classes; c += 1) errors[c] = model.bias[c] ?? 0;
  const end = rows.starts[at.row + 1] ?? 0;
  for (let k = rows.starts[at.row] ?? 0; k < end; k += 1) {
    const from = (rows.columns[k] ?? 0) * classes;
    const x = rows.values[k] ?? 0;
    for (let c = 0; c < classes; c += 1) {
      errors[c] = (errors[c] ?? 0) + x * (model.weights[from + c] ?? 0);
    }
  }
  let largest = -Infinity;
  for (const score of errors) if (score > largest) largest = score;
  let total = 0;
  for (let c = 0; c < classes; c += 1) {
    const grown = Math.exp((errors[c] ?? 0) - largest);
    errors[c] = grown;
    total += grown;
  }
  for (let c = 0; c < classes; c += 1) errors[c] = (errors[c] ?? 0) / total;
  const label = problem.labels[at.row] ?? 0;
  errors[label] = (errors[label] ?? 0) - 1;
}

function descend(
  rows: SparseRows,
  step: {
    readonly row: number;
    readonly errors: Float64Array;
    readonly weights: Float32Array;
    readonly squares: Float32Array;
    readonly rate: number;
    readonly decay: number;
  },
): void {
  const { errors, weights, squares, rate, decay } = step;
  const classes = errors.length;
  const end = rows.starts[step.row + 1] ?? 0;
  for (let k = rows.starts[step.row] ?? 0; k < end; k += 1) {
    const from = (rows.columns[k] ?? 0) * classes;
    const x = rows.values[k] ?? 0;
    for (let c = 0; c < classes; c += 1) {
      const at = from + c;
      const weight = weights[at] ?? 0;
      const g = x * (errors[c] ?? 0) + decay * weight;
      const square = (squares[at] ?? 0) + g * g;
      squares[at] = square;
      weights[at] = weight - (rate * g) / Math.sqrt(square);
    }
  }
}
