import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import type { AppName } from '../../../shared/core/ids.ts';
import { type InferenceInput, prepareInput } from '../inference/prepare-input.ts';

/** A labelled input as the training graph takes it; its key is not drawn yet. */
export interface UnkeyedExample {
  readonly app: AppName;
  /** The model's first input for one item. Own bytes: a session takes over what it is given. */
  readonly row: Uint8Array;
  /** Place of the right class in the bundle's labels. */
  readonly label: number;
}

/** What a bundle that may be trained can learn from an input; undefined where there is nothing. */
export function readExample(
  config: BundleConfig,
  input: InferenceInput,
  label: string | undefined,
): UnkeyedExample | undefined {
  if (label === undefined || config.training === undefined) return undefined;
  if (config.postprocessing.kind !== 'classify') return undefined;
  const place = config.postprocessing.labels.indexOf(label);
  const [first] = config.inputs;
  const prepared = place < 0 ? undefined : prepareInput(config, input);
  if (prepared?.ok !== true || first === undefined) return undefined;
  const tensor = prepared.value.get(first.name);
  // A caller's batch has no one label.
  if (tensor?.shape[0] !== 1) return undefined;
  return { app: config.name, row: Uint8Array.from(tensor.bytes), label: place };
}
