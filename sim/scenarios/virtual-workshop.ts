import type { Bench } from '../../firmware-bundles/evaluate/bench.ts';
import { buildCandidate } from '../../firmware-bundles/evaluate/candidate-bundle.ts';
import { readHeldOutSet } from '../../firmware-bundles/evaluate/held-out-set.ts';
import { float32View } from '../../shared/codec/federated-update.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { MemoryModel } from '../../shared/runtime/memory/memory-model.ts';
import type { BuildWork } from '../world/in-thread-candidate-builder.ts';
import { type LinearForm, linearClassifier } from '../world/linear-model.ts';

/** The workshop's own evaluation and packing; only the bench under them is arithmetic, and its time stands still. */
export function virtualWorkshop(form: LinearForm): BuildWork {
  const bench = linearBench(form);
  return async ({ heldOut, ...material }) => {
    const set = readHeldOutSet(heldOut);
    return set.ok ? buildCandidate({ ...material, heldOut: set.value, bench }) : set;
  };
}

const linearBench = (form: LinearForm): Bench => ({
  openSession: async ({ tensors }) => {
    const model = slotModel(form, tensors);
    return {
      inputs: model.inputs.map(({ name }) => name),
      outputs: model.outputs,
      run: async (inputs) => {
        const answer = model.answer(new Map(Object.entries(inputs)), 0);
        if (answer.kind !== 'outputs') throw new OperatingError('inference-failed', answer.kind);
        return answer.outputs;
      },
      close: async () => undefined,
    };
  },
  monotonicMs: () => 0,
  machineClass: 'virtual',
});

/** The classifier that the tensor files beside a graph make of it. */
export function slotModel(form: LinearForm, tensors: ReadonlyMap<string, Uint8Array>): MemoryModel {
  const [weights, bias] = [form.weights, form.bias].map((name) =>
    float32View(tensors.get(name) ?? new Uint8Array()),
  );
  if (weights === undefined || bias?.length !== form.classes) {
    throw new OperatingError('model-load-failed', 'a tensor is not beside the graph');
  }
  return linearClassifier(form, { weights, bias });
}
