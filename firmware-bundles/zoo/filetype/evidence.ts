import { arch, cpus, platform } from 'node:os';
import { env } from 'onnxruntime-node';
import type { BundleVariant } from '../../../shared/contracts/bundle-config.ts';
import { topClass } from '../../../shared/stats/answer-values.ts';
import { accuracyOf, answerRows, stack } from '../../evaluate/classifier-answers.ts';
import { openOnnxSession } from '../../evaluate/onnx-session.ts';
import type { LinearClassifier } from '../../train/softmax-regression.ts';
import type { CatalogueFile } from './catalogue.ts';
import { hellingerRows } from './features.ts';
import { filetypeTensors } from './graph.ts';
import type { FiletypeRelease } from './release.ts';

export type Evidence = BundleVariant['evidence'];

const timedRunsMax = 101;
/** A model that takes long is known well enough after a few. */
const timedRunsMin = 11;
const timedMsMax = 300;

/**
 * Runs the packed graph here: agreement with fp32 on the golden set, latency, and accuracy on files nobody learned;
 * without such files no accuracy is claimed.
 */
export async function measureEvidence(
  release: FiletypeRelease,
  held: readonly CatalogueFile[],
): Promise<Evidence> {
  const { input, output } = filetypeTensors;
  const session = await openOnnxSession(release.model);
  try {
    const ask = (rows: readonly Uint8Array[]) =>
      answerRows(session, { input, output, type: 'uint8', rows });
    const golden = await ask(release.goldenRows);
    const wanted = classesOf(release.classifier, release.goldenRows);
    const agreeing = golden.filter((answer, row) => topClass(answer) === wanted[row]);
    const labels = held.map((file) => release.labels.indexOf(file.label));
    const stated = accuracyOf(await ask(held.map((file) => file.counts)), labels);
    const { estimate, low, high, n } = stated;
    const accuracy = { estimate, low, high, n, set: 'held-out packages' };
    const times: number[] = [];
    const untilMs = performance.now() + timedMsMax;
    for (let run = 0; run < timedRunsMax; run += 1) {
      if (run >= timedRunsMin && performance.now() > untilMs) break;
      const row = release.goldenRows[run % release.goldenRows.length];
      const fed = { [input]: stack(row === undefined ? [] : [row], 'uint8') };
      const startMs = performance.now();
      await session.run(fed);
      times.push(performance.now() - startMs);
    }
    times.sort((a, b) => a - b);
    return {
      agreement: golden.length === 0 ? 1 : agreeing.length / golden.length,
      ...(held.length === 0 ? {} : { accuracy }),
      bytes: sizeOf(release),
      latencyP50Ms: times[times.length >> 1] ?? 0,
      machineClass: `${platform()}-${arch()} ${cpus()[0]?.model ?? 'cpu'}`.slice(0, 128),
      runtime: `onnxruntime ${env.versions.common}`.slice(0, 32),
    };
  } finally {
    await session.close();
  }
}

/** What the float32 classifier chooses, computed without the runtime. */
function classesOf(
  { weights, bias }: LinearClassifier,
  counts: readonly Uint8Array[],
): readonly number[] {
  const { starts, columns, values } = hellingerRows(counts);
  const classes = bias.length;
  return counts.map((_, row) => {
    const scores = Float64Array.from(bias);
    for (let k = starts[row] ?? 0; k < (starts[row + 1] ?? 0); k += 1) {
      const from = (columns[k] ?? 0) * classes;
      for (let c = 0; c < classes; c += 1) {
        scores[c] = (scores[c] ?? 0) + (values[k] ?? 0) * (weights[from + c] ?? 0);
      }
    }
    return scores.indexOf(Math.max(...scores));
  });
}

const sizeOf = ({ model }: FiletypeRelease): number =>
  [...model.tensors.values()].reduce((sum, bytes) => sum + bytes.length, model.graph.length);
