import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { limits } from '../../shared/contracts/limits.ts';
import { concatBytes, utf8 } from '../../shared/core/bytes.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Result } from '../../shared/core/result.ts';
import { type InferRequest, readInferInputs, readRawInput } from '../core/serving/infer-request.ts';
import { composeInferResponse } from '../core/serving/infer-response.ts';
import { datatypeOf } from '../core/serving/tensor-codec.ts';
import { readInferJson } from './infer-schema.ts';
import { isReady, type ServedAgent, servedConfig } from './served-models.ts';

interface ModelPath {
  readonly model: string;
  readonly version?: string;
}

const lengthHeader = 'inference-header-content-length';
const extensions = ['binary_tensor_data'];

/**
 * Open Inference Protocol V2 over REST with the binary tensor data extension. No route batches: one
 * request is one run of
 * the model, counted and judged like any other input of this device.
 */
export function registerModelRoutes(
  server: FastifyInstance,
  options: { readonly agent: ServedAgent; readonly agentVersion: string },
): void {
  const { agent, agentVersion } = options;
  server.get('/v2/health/live', async () => ({ live: true }));
  server.get('/v2/health/ready', async (_request, reply) => {
    const ready = isReady(agent);
    return reply.code(ready ? 200 : 503).send({ live: true, ready });
  });
  server.get('/v2', async () => ({ name: 'skein', version: agentVersion, extensions }));
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    server.get<{ Params: ModelPath }>(path, async ({ params }) => describe(agent, params));
    server.get<{ Params: ModelPath }>(`${path}/ready`, async ({ params }) => {
      const { app } = servedConfig(agent, params.model, params.version);
      return { name: app, ready: true };
    });
    server.post<{ Params: ModelPath }>(`${path}/infer`, async (request, reply) =>
      infer(agent, request, reply),
    );
  }
}

function describe(agent: ServedAgent, { model, version }: ModelPath) {
  const { config } = servedConfig(agent, model, version);
  const tensor = ({ name, type, shape }: (typeof config.inputs)[number]) => ({
    name,
    datatype: datatypeOf(type),
    // The protocol writes a free dimension as -1.
    shape: shape.map((size) => (typeof size === 'number' ? size : -1)),
  });
  return {
    name: config.name,
    versions: [config.version],
    platform: 'onnx_onnxv1',
    inputs: config.inputs.map(tensor),
    outputs: config.outputs.map(tensor),
  };
}

async function infer(
  agent: ServedAgent,
  request: FastifyRequest<{ Params: ModelPath }>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { app, config } = servedConfig(agent, request.params.model, request.params.version);
  const body = request.body instanceof Uint8Array ? plainBytes(request.body) : new Uint8Array();
  const { asked, binary } = readBody(body, request.headers[lengthHeader]);
  const input = valueOf(
    asked === undefined ? readRawInput(config, binary) : readInferInputs(config, asked, binary),
  );
  const label = asked?.parameters?.['label'];
  const answer = await agent.infer(app, input, typeof label === 'string' ? label : undefined);
  const response = valueOf(
    composeInferResponse(config, asked ?? { parameters: { binary_data_output: true } }, answer),
  );
  const json = utf8(JSON.stringify(response.json));
  if (response.binary.length === 0) {
    return reply.type('application/json').send(Buffer.from(json));
  }
  return reply
    .header('Inference-Header-Content-Length', String(json.length))
    .type('application/octet-stream')
    .send(Buffer.from(concatBytes([json, response.binary])));
}

/** A Buffer's `slice` is a view, where everybody here means a copy: the runtime takes buffers away whole. */
const plainBytes = ({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Splits a body where the header says; no `asked` means that the whole body is the one input. */
function readBody(
  body: Uint8Array,
  header: string | string[] | undefined,
): { readonly asked: InferRequest | undefined; readonly binary: Uint8Array } {
  if (header !== undefined && !/^[0-9]{1,9}$/.test(String(header))) {
    throw new OperatingError('binary-size-mismatch', `${lengthHeader} is no number of bytes`);
  }
  const length = header === undefined ? body.length : Number(header);
  if (length > body.length) {
    throw new OperatingError(
      'binary-size-mismatch',
      `${lengthHeader} says ${length}, the body has ${body.length} bytes`,
    );
  }
  if (header !== undefined && length === 0) return { asked: undefined, binary: body };
  const json = readInferJson(body.subarray(0, length));
  if (json.ok) return { asked: json.value, binary: body.subarray(length) };
  const { code, pointer, message } = json.error;
  throw new OperatingError(code, `${pointer} ${message}`.trim().slice(0, limits.logTextCharsMax));
}

function valueOf<T>(result: Result<T, { readonly code: string; readonly message: string }>): T {
  if (result.ok) return result.value;
  throw new OperatingError(result.error.code, result.error.message);
}
