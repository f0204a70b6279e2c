import { request as httpRequest } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Slot } from '../../../agent/core/update/slot.ts';
import { initialUpdateState } from '../../../agent/core/update/update-state.ts';
import type { InstalledBundle } from '../../../agent/runner/installer.ts';
import type { HostedModel, TimedAnswer } from '../../../agent/runner/model-host.ts';
import { StandInDesk } from '../../../agent/runner/stand-in-desk.ts';
import { type FrontDoor, openFrontDoor } from '../../../agent/serving/front-door.ts';
import type { ServedAgent } from '../../../agent/serving/served-models.ts';
import { systemClock as clock } from '../../../shared/adapters/clock/system-clock.ts';
import { base64Of, concatBytes, utf8 } from '../../../shared/core/bytes.ts';
import type { AppName } from '../../../shared/core/ids.ts';
import { codeOf, OperatingError } from '../../../shared/core/operating-error.ts';
import { ok } from '../../../shared/core/result.ts';
import { doubler, doublerBundle } from '../../support/device-world.ts';
import { silentLog } from '../../support/silent-ports.ts';

const floats = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);
const { config } = doublerBundle('1.2.3');
const idle = 'idle' as AppName;
/** Its model was revoked; its bundle has a default answer. */
const forbidden = 'forbidden' as AppName;
const rows = [{ name: 'y', type: 'float32' as const, shape: [], base64: base64Of(floats([-1])) }];
const standIns = new StandInDesk({
  clock,
  installer: {
    read: async () =>
      ok({ config: { ...config, defaultAnswer: rows } } as unknown as InstalledBundle),
  },
});
const slot = { path: 'bundles/doubler@1.2.3', digest: 'sha256:0', retry: 0 } as unknown as Slot;
const app = (name: AppName) => ({
  ...{ app: name, wanted: undefined, isWithdrawn: false, attempt: undefined, held: [] },
  ...{ wasForbidden: false, standIn: undefined },
  ...{ outcome: undefined, running: undefined },
});

/** An agent with one model that doubles, and one app without a model. */
const agent: ServedAgent = {
  state: {
    ...initialUpdateState,
    apps: new Map([
      [doubler, app(doubler)],
      [idle, app(idle)],
      [forbidden, app(forbidden)],
    ]),
  },
  activeModel: (name) =>
    name === doubler ? ({ bundle: { config } } as unknown as HostedModel) : undefined,
  standIn: (name) => (name === forbidden ? standIns.of(forbidden) : undefined),
  infer: async (name, input): Promise<TimedAnswer> => {
    const standing = standIns.of(name);
    if (standing !== undefined) return standIns.answer(standing, input);
    const x = input.kind === 'tensors' ? input.tensors.get('x') : undefined;
    if (x === undefined) throw new OperatingError('inference-input-mismatch', 'x is missing');
    const doubled = [...new Float32Array(x.bytes.slice().buffer)].map((value) => 2 * value);
    const y = { type: 'float32', shape: x.shape, bytes: floats(doubled) } as const;
    const classes = { predicted: -1, label: undefined, confidence: 0, values: [] };
    return { ...classes, latencyMs: 1, runMs: 1, outputs: new Map([['y', y]]) };
  },
};

let door: FrontDoor;
const options = {
  ...{ agent, agentVersion: '0.1.0', log: silentLog, host: '127.0.0.1', port: 0 },
  ...{ token: 'secret', tls: undefined, hosts: ['models.example'], insecurePlaintext: false },
};
beforeEach(async () => {
  await standIns.standIn(forbidden, [slot]);
  door = await openFrontDoor(options);
});
afterEach(() => door.close());

interface Asked {
  readonly method?: string;
  readonly body?: Uint8Array | object;
  readonly headers?: Record<string, string>;
}

/** fetch would not let a test name another host. */
function ask(path: string, { method, body, headers }: Asked = {}) {
  const bytes = body instanceof Uint8Array ? body : utf8(JSON.stringify(body ?? {}));
  return new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>(
    (resolve, reject) => {
      const call = httpRequest(
        {
          ...{ host: '127.0.0.1', port: door.port, path },
          method: method ?? (body === undefined ? 'GET' : 'POST'),
          headers: { authorization: 'Bearer secret', ...headers },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks),
            }),
          );
        },
      );
      call.on('error', reject);
      call.end(body === undefined ? undefined : bytes);
    },
  );
}
const jsonOf = async (path: string, asked?: Asked): Promise<unknown> =>
  JSON.parse((await ask(path, asked)).body.toString());
const infer = '/v2/models/doubler/infer';
const x = (changes: object = {}) => ({
  inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data: [1, 2], ...changes }],
});

describe('the front door', () => {
  it('when asked who it is, answers as the protocol says', async () => {
    expect(await jsonOf('/v2')).toEqual({
      ...{ name: 'skein', version: '0.1.0', extensions: ['binary_tensor_data'] },
    });
    expect(await jsonOf('/v2/models/doubler')).toEqual({
      ...{ name: 'doubler', versions: ['1.2.3'], platform: 'onnx_onnxv1' },
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
    });
    expect(await jsonOf('/v2/models/doubler/versions/1.2.3/ready')).toEqual({
      ...{ name: 'doubler', ready: true },
    });
    expect((await ask('/v2/health/live', { headers: { authorization: '' } })).status).toBe(200);
    expect((await ask('/v2/health/ready')).status).toBe(503);
  });

  it('when tensors come and go as binary, splits and joins the body where the headers say', async () => {
    const json = utf8(
      JSON.stringify({
        parameters: { binary_data_output: true },
        inputs: [{ name: 'x', datatype: 'FP32', shape: [2], parameters: { binary_data_size: 8 } }],
      }),
    );
    const headers = { 'Inference-Header-Content-Length': String(json.length) };
    const answer = await ask(infer, { body: concatBytes([json, floats([1, 2])]), headers });
    const length = Number(answer.headers['inference-header-content-length']);
    expect(JSON.parse(answer.body.subarray(0, length).toString())).toMatchObject({
      outputs: [{ name: 'y', shape: [2], parameters: { binary_data_size: 8 } }],
    });
    expect(new Uint8Array(answer.body.subarray(length))).toEqual(floats([2, 4]));
  });

  it('when a default answer stands in, marks it, names its bundle and answers row for row', async () => {
    const answer = await jsonOf('/v2/models/forbidden/infer', {
      body: { id: '7', ...x({ shape: [3], data: [1, 2, 3] }) },
    });
    expect(answer).toEqual({
      ...{ id: '7', model_name: 'doubler', model_version: '1.2.3' },
      parameters: { skein_default: true },
      outputs: [{ name: 'y', shape: [3], datatype: 'FP32', data: [-1, -1, -1] }],
    });
    const model = await jsonOf('/v2/models/doubler/infer', { body: x() });
    expect(model).not.toHaveProperty('parameters');
    expect(await jsonOf('/v2/models/forbidden/ready')).toMatchObject({ ready: true });
    const wrong = await ask('/v2/models/forbidden/infer', { body: x({ name: 'w' }) });
    expect(wrong.status).toBe(400);
    expect(wrong.body.toString()).toContain('inference-input-mismatch');
  });

  it('when every app answers by its model or by default, is ready', async () => {
    const { apps } = agent.state;
    const answering = new Map([...apps].filter(([name]) => name !== idle));
    const state = { ...agent.state, apps: answering };
    const other = await openFrontDoor({ ...options, agent: { ...agent, state } });
    try {
      const ready = await fetch(`http://127.0.0.1:${other.port}/v2/health/ready`);
      expect(ready.status).toBe(200);
    } finally {
      await other.close();
    }
  });

  it('when the whole body is the input, answers in binary', async () => {
    const headers = { 'Inference-Header-Content-Length': '0' };
    const answer = await ask(infer, { body: floats([3]), headers });
    const length = Number(answer.headers['inference-header-content-length']);
    expect(new Uint8Array(answer.body.subarray(length))).toEqual(floats([6]));
  });

  it.each([
    ['another model', '/v2/models/other/infer', x(), {}, 404, 'model-unknown'],
    [
      'another version',
      '/v2/models/doubler/versions/9.9.9/infer',
      x(),
      {},
      404,
      'version-not-active',
    ],
    ['an app without a model', '/v2/models/idle/infer', x(), {}, 503, 'no-model'],
    ['no JSON', infer, utf8('{'), {}, 400, 'malformed-json'],
    ['an unknown field', infer, { ...x(), more: 1 }, {}, 400, 'schema-mismatch'],
    ['too few values', infer, x({ data: [1] }), {}, 400, 'tensor-malformed'],
    ['an unknown datatype', infer, x({ datatype: 'FP16' }), {}, 400, 'tensor-malformed'],
    ['an unknown output', infer, { ...x(), outputs: [{ name: 'z' }] }, {}, 400, 'tensor-malformed'],
    ['another input', infer, x({ name: 'w' }), {}, 400, 'inference-input-mismatch'],
    [
      'bytes of nobody',
      infer,
      utf8(`${JSON.stringify(x())}rest`),
      { 'Inference-Header-Content-Length': String(JSON.stringify(x()).length) },
      400,
      'binary-size-mismatch',
    ],
    [
      'a header beyond the body',
      infer,
      x(),
      { 'Inference-Header-Content-Length': '9999' },
      400,
      'binary-size-mismatch',
    ],
    ['no token', infer, x(), { authorization: '' }, 401, 'token-missing'],
    ['another token', infer, x(), { authorization: 'Bearer other' }, 401, 'token-invalid'],
    ['a foreign host name', infer, x(), { host: 'evil.example' }, 421, 'host-refused'],
    ['an unknown route', '/v2/repository/index', x(), {}, 404, 'route-unknown'],
  ] as const)(
    'given %s, answers one error text with the right status',
    async (...[, path, body, headers, status, code]) => {
      const answer = await ask(path, { body, headers });
      expect(answer.status).toBe(status);
      const { error, ...others } = JSON.parse(answer.body.toString()) as { error: string };
      expect(error).toMatch(new RegExp(`^${code}: `));
      expect(others).toEqual({});
    },
  );

  it('when asked by a name it was given, answers', async () => {
    const headers = { host: 'models.example:443' };
    expect((await ask(infer, { body: x(), headers })).status).toBe(200);
  });

  it('when a body is larger than any request, refuses it and goes on', async () => {
    const refused = await ask(infer, { body: new Uint8Array(33 * 1024 * 1024) }).catch(codeOf);
    expect(typeof refused === 'string' ? 413 : refused.status).toBe(413);
    expect((await ask(infer, { body: x() })).status).toBe(200);
  });

  it('when it would be open to others without TLS or a token, it does not open', async () => {
    const open = { ...options, host: '0.0.0.0' };
    expect(await openFrontDoor(open).catch(codeOf)).toBe('plaintext-refused');
    const insecure = { ...open, insecurePlaintext: true, token: undefined };
    expect(await openFrontDoor(insecure).catch(codeOf)).toBe('token-missing');
    expect(await openFrontDoor({ ...options, port: door.port }).catch(codeOf)).toBe(
      'listen-failed',
    );
  });
});
