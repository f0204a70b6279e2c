import { initialUpdateState } from '../../../agent/core/update/update-state.ts';
import type { HostedModel, TimedAnswer } from '../../../agent/runner/model-host.ts';
import { openFrontDoor } from '../../../agent/serving/front-door.ts';
import { openMetricsDoor } from '../../../agent/serving/metrics-door.ts';
import type { ServedAgent } from '../../../agent/serving/served-models.ts';
import { checkInputs } from '../../../shared/runtime/input-check.ts';
import { doubler, doublerBundle } from '../../support/device-world.ts';
import { silentLog } from '../../support/silent-ports.ts';
import { type Attack, atDoor, type BadCase, type Scene } from './bad-case.ts';

interface ServingScene extends Scene {
  readonly origin: string;
  /** Of the door to the agent's figures. */
  readonly figures: string;
}

const { config } = doublerBundle('1.2.3');
const app = {
  ...{ app: doubler, wanted: undefined, isWithdrawn: false, attempt: undefined, held: [] },
  ...{ wasForbidden: false, standIn: undefined },
  ...{ outcome: undefined, running: undefined },
};

/** The front door before a model that judges its inputs as the runtime does, and counts what it took. */
async function open(): Promise<ServingScene> {
  const taken: string[] = [];
  const agent: ServedAgent = {
    state: { ...initialUpdateState, apps: new Map([[doubler, app]]) },
    activeModel: (name) =>
      name === doubler ? ({ bundle: { config } } as unknown as HostedModel) : undefined,
    standIn: () => undefined,
    infer: async (name, input): Promise<TimedAnswer> => {
      const given = input.kind === 'tensors' ? input.tensors : new Map<string, never>();
      checkInputs(config.inputs, given);
      taken.push(name);
      const classes = { predicted: -1, label: undefined, confidence: 0, values: [] };
      return { ...classes, latencyMs: 1, runMs: 1, outputs: new Map() };
    },
  };
  const rule = {
    ...{ host: '127.0.0.1', port: 0, token: 'secret', tls: undefined },
    ...{ hosts: [], insecurePlaintext: false },
  };
  const door = await openFrontDoor({ agent, agentVersion: '0.1.0', log: silentLog, ...rule });
  const figures = await openMetricsDoor({
    ...{ log: silentLog, ...rule },
    exposition: async () => {
      taken.push('figures');
      return { contentType: 'text/plain', text: '' };
    },
  });
  return {
    origin: `http://127.0.0.1:${door.port}`,
    figures: `http://127.0.0.1:${figures.port}`,
    state: async () => taken.join(),
    close: async () => {
      await Promise.all([door.close(), figures.close()]);
    },
  };
}

/** The protocol gives errors as one text; ours begins with the code. */
const asking =
  (body: string, options: { readonly path?: string; readonly headers?: object } = {}) =>
  ({ origin }: ServingScene): Attack => {
    const { path = '/v2/models/doubler/infer', headers = {} } = options;
    return async () => {
      const answer = await fetch(`${origin}${path}`, {
        method: 'POST',
        headers: { authorization: 'Bearer secret', ...headers },
        body,
      });
      const { error = 'ok' } = (await answer.json()) as { readonly error?: string };
      return error.split(':')[0] ?? 'none';
    };
  };

const askingFigures =
  (path: string, options: { readonly method?: string; readonly token?: string } = {}) =>
  ({ figures }: ServingScene): Attack => {
    const { method = 'GET', token = 'secret' } = options;
    return async () => {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await fetch(`${figures}${path}`, { method, headers });
      const { code = 'ok' } = (await answer.json()) as { readonly code?: string };
      return code;
    };
  };

const x = (change: object = {}): string =>
  JSON.stringify({
    inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data: [1, 2], ...change }],
  });

const cases: readonly BadCase<ServingScene>[] = [
  { code: 'malformed-json', title: 'a request is cut off', prepare: asking('{"inputs":') },
  { code: 'schema-mismatch', title: 'a request has no inputs', prepare: asking('{}') },
  {
    code: 'tensor-malformed',
    title: 'a tensor has more values than its shape',
    prepare: asking(x({ data: [1, 2, 3] })),
  },
  {
    code: 'tensor-malformed',
    title: 'a tensor has a shape beyond every limit',
    prepare: asking(x({ shape: [2 ** 40, 2 ** 40] })),
  },
  {
    code: 'binary-size-mismatch',
    title: 'a header announces more than came',
    prepare: asking(x(), { headers: { 'Inference-Header-Content-Length': '99999' } }),
  },
  {
    code: 'inference-input-mismatch',
    title: 'an input has a name that the model does not know',
    prepare: asking(x({ name: 'z' })),
  },
  {
    code: 'model-unknown',
    title: 'a model is asked that is not here',
    prepare: asking(x(), { path: '/v2/models/camera/infer' }),
  },
  {
    code: 'version-not-active',
    title: 'a version is asked that does not run',
    prepare: asking(x(), { path: '/v2/models/doubler/versions/9.9.9/infer' }),
  },
  {
    code: 'token-invalid',
    title: 'a token is another one',
    prepare: asking(x(), { headers: { authorization: 'Bearer guess' } }),
  },
  {
    code: 'method-refused',
    title: 'figures are written to',
    prepare: askingFigures('/metrics', { method: 'POST' }),
  },
  {
    code: 'route-unknown',
    title: 'figures are asked under another name',
    prepare: askingFigures('/debug'),
  },
  {
    code: 'token-invalid',
    title: 'figures are asked with another token',
    prepare: askingFigures('/metrics', { token: 'guess' }),
  },
];

export const serving = atDoor({ name: 'a request to the device', open, cases });
