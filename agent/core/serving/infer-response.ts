import { concatBytes } from '../../../shared/core/bytes.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Tensor } from '../../../shared/ports/inference-runtime.ts';
import type { Answer } from '../inference/read-answer.ts';
import type { InferRequest } from './infer-request.ts';
import { datatypeOf, jsonOfTensor, type TensorFailure } from './tensor-codec.ts';

export interface InferResponse {
  readonly json: Readonly<Record<string, unknown>>;
  /** Binary outputs in the order of the JSON; empty when every output is JSON. */
  readonly binary: Uint8Array;
}

/** What is asked of the answer; a raw request asks for every output as binary. */
export type Asked = Pick<InferRequest, 'id' | 'outputs' | 'parameters'>;

/**
 * The response of one inference: the asked outputs, the class in words where the bundle names classes, and whether a
 * model answered or its bundle's default answer stands in.
 */
export function composeInferResponse(
  model: { readonly name: string; readonly version: string },
  asked: Asked,
  answer: Answer & { readonly outputs: ReadonlyMap<string, Tensor>; readonly isDefault?: true },
): Result<InferResponse, TensorFailure> {
  const all = [...answer.outputs.keys()].sort().map((name) => ({ name }));
  const wanted: NonNullable<Asked['outputs']> = asked.outputs ?? all;
  const isBinaryByDefault = asked.parameters?.['binary_data_output'] === true;
  const outputs: Readonly<Record<string, unknown>>[] = [];
  const parts: Uint8Array[] = [];
  for (const { name, parameters } of wanted) {
    const tensor = answer.outputs.get(name);
    if (tensor === undefined) {
      return err({ code: 'tensor-malformed', message: `the model has no output ${name}` });
    }
    const own = parameters?.['binary_data'];
    const isBinary = typeof own === 'boolean' ? own : isBinaryByDefault;
    const form = { name, shape: tensor.shape, datatype: datatypeOf(tensor.type) };
    if (isBinary) {
      outputs.push({ ...form, parameters: { binary_data_size: tensor.bytes.length } });
      parts.push(tensor.bytes);
    } else {
      const data = jsonOfTensor(name, tensor);
      if (!data.ok) return data;
      outputs.push({ ...form, data: data.value });
    }
  }
  const { label, confidence, isDefault } = answer;
  // Open Inference Protocol V2: `parameters` is the place for what the protocol does not name.
  const told = {
    ...(label === undefined ? {} : { label, confidence }),
    ...(isDefault === undefined ? {} : { skein_default: true }),
  };
  const json = {
    model_name: model.name,
    model_version: model.version,
    ...(asked.id === undefined ? {} : { id: asked.id }),
    ...(Object.keys(told).length === 0 ? {} : { parameters: told }),
    outputs,
  };
  return ok({ json, binary: concatBytes(parts) });
}
