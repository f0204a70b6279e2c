import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SupervisorLink } from '../../../agent/adapters/supervisor-link.ts';
import { parseAgentConfig } from '../../../agent/config.ts';
import { runAgent } from '../../../agent/main.ts';
import type { FrontDoor } from '../../../agent/serving/front-door.ts';
import { openMetricsDoor } from '../../../agent/serving/metrics-door.ts';
import { runSkein } from '../../../cli/program.ts';
import { createDecoder } from '../../../shared/codec/validator.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { type MetricEntry, metricNames } from '../../../shared/contracts/metric-names.ts';
import { ProblemSchema } from '../../../shared/contracts/problem.ts';
import { codeOf } from '../../../shared/core/operating-error.ts';
import { latencyEdgesMs } from '../../../shared/stats/latency-bins.ts';
import { DeviceWorld, doublerBundle } from '../../support/device-world.ts';
import { readExposition, seriesOf } from '../../support/exposition.ts';
import { freePorts } from '../../support/free-ports.ts';
import { loopModel } from '../../support/onnx-graphs.ts';
import { silentLog } from '../../support/silent-ports.ts';

const decodeProblem = createDecoder(ProblemSchema, 4096);

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** fetch would not let a test name another host. */
function ask(port: number, path: string, { method = 'GET', headers = {} }: Asked = {}) {
  return new Promise<Answer>((resolve, reject) => {
    const call = httpRequest({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    call.on('error', reject);
    call.end();
  });
}

describe('the metrics door', () => {
  const page = { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: 'a 1\n' };
  const options = {
    ...{ log: silentLog, host: '127.0.0.1', port: 0, token: 'secret', tls: undefined },
    ...{ hosts: ['edge.example'], insecurePlaintext: false, exposition: async () => page },
  };
  const bearer = { authorization: 'Bearer secret' };
  let door: FrontDoor;
  beforeEach(async () => {
    door = await openMetricsDoor(options);
  });
  afterEach(() => door.close());

  it('when asked with its token, answers the exposition under its type, and nothing keeps it', async () => {
    const answer = await ask(door.port, '/metrics', { headers: bearer });
    expect([answer.status, answer.text]).toEqual([200, 'a 1\n']);
    expect(answer.headers).toMatchObject({
      'content-type': page.contentType,
      'cache-control': 'no-store',
    });
    const named = { ...bearer, host: 'edge.example:9464' };
    expect((await ask(door.port, '/metrics?x=1', { headers: named })).status).toBe(200);
    const head = await ask(door.port, '/metrics', { method: 'HEAD', headers: bearer });
    expect([head.status, head.text]).toEqual([200, '']);
  });

  it('when a probe without a token asks whether it lives, says so and shows no figure', async () => {
    expect(await ask(door.port, '/livez')).toMatchObject({ status: 200, text: '{"status":"ok"}' });
  });

  it.each([
    ['no token', '/metrics', { headers: {} }, 401, 'token-missing'],
    ['another token', '/metrics', { headers: { authorization: 'Bearer x' } }, 401, 'token-invalid'],
    ['another method', '/metrics', { method: 'POST', headers: bearer }, 405, 'method-refused'],
    ['a method on health', '/livez', { method: 'DELETE' }, 405, 'method-refused'],
    ['another path', '/v2', { headers: bearer }, 404, 'route-unknown'],
    ['a path that only begins so', '/metrics/all', { headers: bearer }, 404, 'route-unknown'],
    [
      'another name',
      '/metrics',
      { headers: { ...bearer, host: 'evil.example' } },
      421,
      'host-refused',
    ],
    [
      'another name on health',
      '/livez',
      { headers: { host: 'evil.example' } },
      421,
      'host-refused',
    ],
  ] as const)('given %s, answers a coded problem', async (...[, path, asked, status, code]) => {
    const answer = await ask(door.port, path, asked);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    const problem = decodeProblem(Buffer.from(answer.text));
    expect(problem.ok && problem.value).toMatchObject({ status, code });
  });

  it('when more scrapes come than it takes, refuses the rest and answers again afterwards', async () => {
    await door.close();
    let release: (answer: typeof page) => void = () => undefined;
    const read = new Promise<typeof page>((resolve) => {
      release = resolve;
    });
    let asked = 0;
    door = await openMetricsDoor({
      ...options,
      exposition: () => {
        asked += 1;
        return read;
      },
    });
    const scrape = () => ask(door.port, '/metrics', { headers: bearer });
    const taken = Array.from({ length: limits.metricsScrapesMax }, scrape);
    while (asked < limits.metricsScrapesMax) await new Promise((turn) => setImmediate(turn));
    const refused = await scrape();
    expect([refused.status, refused.text]).toEqual([503, expect.stringContaining('queue-full')]);
    release(page);
    expect((await Promise.all(taken)).map(({ status }) => status)).toEqual(taken.map(() => 200));
    expect((await scrape()).status).toBe(200);
  });

  it('when reading fails, answers a coded problem without what broke inside', async () => {
    await door.close();
    const broken = async () => Promise.reject(new Error('a path inside'));
    door = await openMetricsDoor({ ...options, exposition: broken });
    const answer = await ask(door.port, '/metrics', { headers: bearer });
    expect([answer.status, answer.text]).toEqual([500, expect.stringContaining('unexpected')]);
    expect(answer.text).not.toContain('a path inside');
  });

  it('when it would be open to others without TLS or a token, it does not open', async () => {
    const open = { ...options, host: '0.0.0.0' };
    expect(await openMetricsDoor(open).catch(codeOf)).toBe('plaintext-refused');
    const insecure = { ...open, insecurePlaintext: true, token: undefined };
    expect(await openMetricsDoor(insecure).catch(codeOf)).toBe('token-missing');
    const taken = { ...options, port: door.port };
    expect(await openMetricsDoor(taken).catch(codeOf)).toBe('listen-failed');
  });
});

describe('metrics of a real agent', () => {
  const v1 = doublerBundle('1.0.0');
  const endless = doublerBundle('2.0.0', loopModel(4_611_686_018_427_387_904n));
  let folder: string;
  let world: DeviceWorld;
  let stop: AbortController;
  let life: Promise<void>;
  let ports: { readonly metrics: number; readonly serving: number };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skein-metrics-'));
    world = await DeviceWorld.open([v1, endless]);
    const said: string[] = [];
    const say = (text: string) => said.push(text);
    const enrol = ['agent', 'enrol', world.enrolment, '--state', folder, '--fleet', 'plant'];
    expect(await runSkein([...enrol, '--device', 'edge-1'], { out: say, err: say })).toBe(0);
    stop = new AbortController();
    const [metrics = 0, serving = 0] = await freePorts(2);
    ports = { metrics, serving };
    life = runAgent({ config: configOf(), state: folder, link, stop: stop.signal });
  });
  afterEach(async () => {
    stop.abort();
    await life;
    await world.close();
    await rm(folder, { recursive: true, maxRetries: 5, retryDelay: 100 });
  });

  const configOf = () => {
    const settings = [
      ...[`metrics.listen=127.0.0.1:${ports.metrics}`, 'logLevel=silent', 'windowMs=500'],
      `serving.listen=127.0.0.1:${ports.serving}`,
    ];
    const config = parseAgentConfig({ file: undefined, environment: {}, settings });
    if (!config.ok) throw new Error(config.error.message);
    return config.value;
  };
  const infer = async (name: string): Promise<number> => {
    const inputs = [{ name, datatype: 'FP32', shape: [2], data: [1, 2] }];
    const url = `http://127.0.0.1:${ports.serving}/v2/models/doubler/infer`;
    const call = fetch(url, { method: 'POST', body: JSON.stringify({ inputs }) });
    return (await call.catch(() => undefined))?.status ?? 0;
  };
  const scrape = async () => {
    const { status, headers, text } = await ask(ports.metrics, '/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toContain('version=0.0.4');
    expect(text).not.toContain('edge-1');
    const read = readExposition(text);
    const value = (name: string, labels: Readonly<Record<string, string>> = {}) =>
      read.samples.get(seriesOf(name, labels));
    return { ...read, value };
  };
  const until = async (isTrue: () => Promise<boolean>): Promise<void> => {
    while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 25));
  };

  it('when a good release was proven and a bad one was judged, a scrape says what happened', async () => {
    await until(
      async () => (await ask(ports.metrics, '/livez').catch(() => undefined))?.status === 200,
    );
    const first = await scrape();
    expect(first.value('skein_previous_exit', { code: 'crash' })).toBe(1);
    expect(first.value('skein_supervisor_recent_crashes')).toBe(2);
    expect(first.value('skein_store_bytes')).toBe(0);

    await world.rollOut(v1);
    let answers = 0;
    const of = { app: 'doubler' };
    const isCommitted = async () => {
      if ((await infer('x')) === 200) answers += 1;
      const { value } = await scrape();
      return value('skein_model_loaded', { ...of, slot: 'committed' }) === 1;
    };
    await until(isCommitted);
    expect(await infer('w')).toBe(400);
    const good = await scrape();
    expect(good.value('skein_inference_seconds_count', of)).toBe(answers);
    expect(answers).toBeGreaterThanOrEqual(5);
    expect(good.value('skein_updates_total', { ...of, code: 'committed' })).toBe(1);
    expect(good.value('skein_model_loaded', { ...of, slot: 'trial' })).toBe(0);
    const refusal = { ...of, code: 'inference-input-mismatch' };
    expect(good.value('skein_inference_refusals_total', refusal)).toBe(1);
    expect(good.value('skein_session_open')).toBe(1);
    expect(good.value('skein_last_contact_age_seconds')).toBe(0);
    expect(good.value('skein_outbox_bytes')).toBeGreaterThan(0);
    expect(good.value('skein_outbox_limit_bytes')).toBe(limits.outboxBytesMax);
    expect(good.value('skein_store_bytes')).toBeGreaterThan(0);
    expect(good.value('skein_download_month_bytes')).toBeGreaterThan(0);
    expect(good.value('skein_disk_free_bytes')).toBeGreaterThan(0);
    expect(good.value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    expect(good.value('process_cpu_seconds_total')).toBeGreaterThan(0);
    for (const role of ['root', 'targets', 'snapshot', 'timestamp']) {
      expect(good.value('skein_metadata_expiry_seconds', { role }), role).toBeGreaterThan(0);
    }

    await world.rollOut(endless);
    await until(async () => (await scrape()).value('skein_apps_refused') === 1);
    const bad = await scrape();
    const judged = [...bad.samples].filter(([key]) => key.startsWith('skein_updates_total{'));
    expect(judged.map(([, value]) => value)).toEqual([1, 1]);
    expect(bad.value('skein_updates_total', { ...of, code: 'inference-timeout' })).toBe(1);
    expect(await infer('x')).toBe(200);
  });

  it('when nothing has happened yet, every metric of the agent is there, and none of the server', async () => {
    await until(
      async () => (await ask(ports.metrics, '/livez').catch(() => undefined))?.status === 200,
    );
    const { types, labels } = await scrape();
    const own = Object.entries<MetricEntry>(metricNames).filter(
      ([, entry]) => entry.of !== 'server',
    );
    expect([...types].sort()).toEqual(own.map(([name, { type }]) => [name, type]).sort());
    expect([...labels].sort()).toEqual(['code', 'door']);
    for (const door of ['serving', 'metrics']) {
      expect((await scrape()).value('skein_plaintext_listener', { door })).toBe(0);
    }
  });
});

it('given the table of metrics, the agent labels by app, slot, code, door and role alone, in bins of its windows', () => {
  const entries: readonly MetricEntry[] = Object.values(metricNames);
  const own = entries.filter((entry) => entry.of !== 'server');
  const labels = new Set(own.flatMap((entry) => entry.labels ?? []));
  expect([...labels].sort()).toEqual(['app', 'code', 'door', 'role', 'slot']);
  for (const bound of own.flatMap((entry) => entry.buckets ?? [])) {
    const nearest = Math.min(...latencyEdgesMs.map((edge) => Math.abs(edge / (bound * 1_000) - 1)));
    expect(nearest, `${bound} s`).toBeLessThan(1e-9);
  }
});

const link: SupervisorLink = {
  previousExit: {
    ...{ reason: 'crash', code: 1, signal: null, slot: null, blame: null, crashesInWindow: 2 },
  } as unknown as SupervisorLink['previousExit'],
  askToBeKilled: () => undefined,
  trials: { started: () => undefined, ended: () => undefined },
  guardMemory: () => undefined,
  close: () => undefined,
};
