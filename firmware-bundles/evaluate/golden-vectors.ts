import type { GoldenVectors } from '../../shared/contracts/bundle-config.ts';
import { base64Of } from '../../shared/core/bytes.ts';
import type { Tensor } from '../../shared/ports/inference-runtime.ts';
import type { OnnxSession } from './onnx-session.ts';

/** Runs each input set alone and keeps what came out: what every device must reproduce before activation. */
export async function recordGolden(
  session: OnnxSession,
  inputs: readonly Readonly<Record<string, Tensor>>[],
): Promise<GoldenVectors> {
  const vectors: GoldenVectors['vectors'] = [];
  for (const set of inputs) {
    const outputs = await session.run(set);
    vectors.push({
      inputs: Object.entries(set).map(([name, tensor]) => written(name, tensor)),
      outputs: [...outputs].map(([name, tensor]) => written(name, tensor)),
    });
  }
  return { vectors };
}

type GoldenTensor = GoldenVectors['vectors'][number]['inputs'][number];

const written = (name: string, tensor: Tensor): GoldenTensor => ({
  name,
  type: tensor.type,
  shape: [...tensor.shape],
  base64: base64Of(tensor.bytes),
});
