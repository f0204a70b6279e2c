import type { DeviceId } from '../../shared/core/ids.ts';
import type { ModelSource } from '../../shared/ports/inference-runtime.ts';
import type { MemoryModel } from '../../shared/runtime/memory/memory-model.ts';
import { digestOf } from '../../shared/trust/hash.ts';
import { linearTraining } from '../world/linear-model.ts';
import type { MemoryDisk } from '../world/memory-disk.ts';
import { drawInputs, type LabelledInput, learningBundle, learningForm } from './learning-bundle.ts';
import { slotModel } from './virtual-workshop.ts';

/** What is not as it should be on some devices. */
export interface LearningQuirks {
  /** Virtual milliseconds of a training step, where it is not the usual one. */
  readonly stepMs?: ReadonlyMap<DeviceId, number>;
  /** Goes half as far again with every step; the agent's clip stands in the way unless the program is changed too. */
  readonly exaggerating?: DeviceId;
  /** Runs of one session before a candidate begins to throw; never when absent. */
  readonly candidateSoursAfterRuns?: number;
}

const usualStepMs = 50;
const inputsPerDevice = 40;

/** What devices of a learning fleet meet and answer with: the tensors in a slot are the model. */
export class LearningDevices {
  readonly bundle = learningBundle();
  readonly #quirks: LearningQuirks;
  readonly #steps = new Map<DeviceId, number>();

  constructor(quirks: LearningQuirks) {
    this.#quirks = quirks;
  }

  /** Training steps so far, over all tries. */
  stepsOf(id: DeviceId): number {
    return this.#steps.get(id) ?? 0;
  }

  inputsOf(id: DeviceId): readonly LabelledInput[] {
    return drawInputs(id, inputsPerDevice);
  }

  async modelOf(
    id: DeviceId,
    source: ModelSource,
    disk: MemoryDisk,
  ): Promise<MemoryModel | undefined> {
    if (source.kind === 'memory') return this.#training(id, source.graph);
    const folder = source.graphPath.split('/').slice(2, -1);
    const tensors = new Map<string, Uint8Array>();
    for (const name of [learningForm.weights, learningForm.bias]) {
      const bytes = await disk.read([...folder, name].join('/'), { bytesMax: 1_000 });
      if (bytes === undefined) return undefined;
      tensors.set(name, bytes);
    }
    const model = slotModel(learningForm, tensors);
    const isParent = this.bundle.digest === `sha256:${folder.at(-1) ?? ''}`;
    return isParent ? model : this.#candidate(model);
  }

  #training(id: DeviceId, graph: Uint8Array): MemoryModel | undefined {
    if (digestOf(graph) !== this.bundle.config.training?.graph) return undefined;
    const runMs = this.#quirks.stepMs?.get(id) ?? usualStepMs;
    const step = linearTraining({ ...learningForm, runMs });
    return {
      ...step,
      answer: (inputs, run) => {
        this.#steps.set(id, this.stepsOf(id) + 1);
        const answer = step.answer(inputs, run);
        return id === this.#quirks.exaggerating ? exaggerated(answer) : answer;
      },
    };
  }

  #candidate(model: MemoryModel): MemoryModel {
    const sourAt = this.#quirks.candidateSoursAfterRuns ?? Number.POSITIVE_INFINITY;
    return {
      ...model,
      answer: (inputs, run) =>
        run < sourAt ? model.answer(inputs, run) : { kind: 'throws', message: 'sour' },
    };
  }
}

type Answer = ReturnType<MemoryModel['answer']>;

/** The trained tensors half as large again; what is measured stays. */
function exaggerated(answer: Answer): Answer {
  if (answer.kind !== 'outputs') return answer;
  const outputs = new Map(answer.outputs);
  for (const [name, tensor] of answer.outputs) {
    if (!name.startsWith('next/')) continue;
    const values = new Float32Array(tensor.bytes.slice().buffer).map((value) => 1.5 * value);
    outputs.set(name, { ...tensor, bytes: new Uint8Array(values.buffer) });
  }
  return { ...answer, outputs };
}
