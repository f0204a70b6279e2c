import { systemClock as clock } from '../shared/adapters/clock/system-clock.ts';
import { HttpFetcher } from '../shared/adapters/http/http-fetcher.ts';
import { createPinoLog } from '../shared/adapters/log/pino-log.ts';
import { cryptoRandom as random } from '../shared/adapters/random/crypto-random.ts';
import { limits } from '../shared/contracts/limits.ts';
import { hexOf } from '../shared/core/bytes.ts';
import type { BootId } from '../shared/core/ids.ts';
import { OperatingError } from '../shared/core/operating-error.ts';
import type { InferenceRuntime } from '../shared/ports/inference-runtime.ts';
import type { Log } from '../shared/ports/log.ts';
import { cpuQuotaThreads } from '../shared/runtime/cpu-quota.ts';
import { createOnnxRuntime } from '../shared/runtime/onnx-runtime.ts';
import { readFirstLine, readText } from './adapters/config-file.ts';
import { memoryBytes, readDeviceFacts } from './adapters/device-facts.ts';
import { readKey } from './adapters/device-key.ts';
import { createGrantedTransport } from './adapters/granted-transport.ts';
import { openSources } from './adapters/inputs/open-sources.ts';
import { isolateSessions } from './adapters/isolated-runtime.ts';
import { type MetricsPage, openMetricsPage } from './adapters/metrics-page.ts';
import { openStateDisk, statePaths } from './adapters/state-folder.ts';
import type { SupervisorLink } from './adapters/supervisor-link.ts';
import type { AgentConfig, DoorConfig } from './config.ts';
import { decideIsolation } from './core/decide-isolation.ts';
import type { InputSource } from './ports/input-source.ts';
import { DeviceAgent } from './runner/device-agent.ts';
import { type Enrolment, readEnrolment } from './runner/enrolment-desk.ts';
import { InputPump } from './runner/input-pump.ts';
import { isPlaintextDoor } from './serving/door-rule.ts';
import type { FrontDoor } from './serving/front-door.ts';

const agentVersion = '0.1.0';
/** First floor of trusted time: no release is older. */
const builtAtMs = Date.UTC(2026, 0, 1);

export interface RunAgentOptions {
  readonly config: AgentConfig;
  /** Absolute path of the device's own folder; it exists. */
  readonly state: string;
  readonly link: SupervisorLink;
  /** Aborts at SIGTERM. */
  readonly stop: AbortSignal;
}

/**
 * The agent's child process: composes the rooms over the real world and runs until `stop`. Intake ends first, what is
 * under way is answered, then the journals are closed. Throws `not-enrolled` and what the key store throws.
 */
export async function runAgent(options: RunAgentOptions): Promise<void> {
  const { config, state, link, stop } = options;
  const log = createPinoLog({ component: 'agent', level: config.logLevel });
  const disk = openStateDisk(state);
  const enrolment = await readEnrolment(disk);
  const deviceKey = await readKey(statePaths(state).key);
  if (enrolment === undefined || deviceKey === undefined) {
    throw new OperatingError('not-enrolled', `${state} holds no enrolment`);
  }
  const runtime = openRuntime(options, log);
  const { policy } = config;
  const facts = await readDeviceFacts({
    ...{ runtime, agentVersion, isCloud: config.serving.cloud },
    inputsMayLeave: policy.inputsMayLeave,
  });
  const { fleet, device, audience } = enrolment.server;
  const page = await openMetricsPage({
    isAsked: config.metrics.listen !== undefined,
    previousExit: link.previousExit,
  });
  const memoryBytesMax = policy.memoryBytesMax ?? Math.floor(memoryBytes() / 2);
  const agent = await DeviceAgent.open(
    {
      ...{ clock, random, disk, runtime, log, metrics: page.metrics },
      ...openWires(config, enrolment),
    },
    {
      address: { fleet, device },
      ...{ deviceKey, audience, agentVersion, builtAtMs, facts },
      boot: hexOf(random.bytes(16)) as BootId,
      // It was used at the enrolment and is known to nobody here.
      claim: undefined,
      pinnedRoot: enrolment.pinnedRoot,
      zone: config.zone ?? systemZone(),
      windowMs: config.windowMs,
      memoryBytesMax,
      monthlyBytesMax: policy.monthlyBytesMax,
      threads: policy.threads ?? cpuQuotaThreads(),
      ...{ mayTrain: policy.mayTrain, roundsPerDay: policy.roundsPerDay },
      ...{ minCount: policy.minCount, onnx: policy.onnx },
      askToBeKilled: (blame) => link.askToBeKilled(blame),
    },
  );
  // No model is open yet: what is held now is the agent's own.
  const idleBytes = process.memoryUsage.rss() + limits.agentGrowthBytesMax;
  link.guardMemory(idleBytes + memoryBytesMax, () => {
    const failed = (error: unknown): void =>
      log.error({ event: 'verdict-unwritten', error }, 'the leaking model was not judged');
    agent.memoryExceeded().catch(failed);
  });
  log.info({ event: 'agent-started', device, fleet, version: agentVersion }, 'the agent runs');
  await live(agent, {
    config,
    log,
    stop,
    page,
    sources: await openSources(config.inputs, { clock, random, log, device }),
  });
  log.info({ event: 'agent-stopped', device }, 'the agent has written everything down');
}

function openRuntime({ config, link }: RunAgentOptions, log: Log): InferenceRuntime {
  const runtime = createOnnxRuntime({ observer: link.trials });
  const isolation = decideIsolation(config.isolation, link.previousExit);
  if (isolation === 'worker') return runtime;
  if (config.isolation === 'worker') {
    const fields = { event: 'sessions-isolated', previousExit: link.previousExit };
    log.warn(fields, 'the agent crashed repeatedly: each model gets a process of its own');
  }
  return isolateSessions(runtime);
}

function openWires(config: AgentConfig, { server }: Enrolment) {
  const { brokerUrl, insecurePlaintext } = config.server;
  const { origin, ca } = server;
  const minimumSpeed = {
    bytes: limits.blobSpeedBytesMin,
    periodMs: limits.blobSpeedWindowMs,
  };
  return {
    fetcher: new HttpFetcher({ origin, minimumSpeed, ...(ca === undefined ? {} : { ca }) }),
    transport: createGrantedTransport({
      ...{ brokerUrl, ca, insecurePlaintext },
      host: new URL(origin).hostname.replace(/^\[|\]$/g, ''),
    }),
  };
}

/** Runs agent, door and sources; ends them in the order in which nothing that was taken is lost. */
async function live(
  agent: DeviceAgent,
  world: {
    readonly config: AgentConfig;
    readonly log: Log;
    readonly stop: AbortSignal;
    readonly page: MetricsPage;
    readonly sources: readonly InputSource[];
  },
): Promise<void> {
  const { config, log, stop, page, sources } = world;
  const door = await openDoor(agent, config, log);
  const figures = await openFigures(agent, { config, log, page });
  const drained = new AbortController();
  const running = agent.run(drained.signal);
  const pump = new InputPump({
    log,
    infer: (app, input, label) => agent.infer(app, input, label),
  });
  const pumping = Promise.all(sources.map((source) => pump.run(source, stop)));
  try {
    await Promise.race([aborted(stop), running]);
    const patience = clock.sleepUntil(clock.monotonicMs() + limits.agentDrainMs);
    await Promise.race([Promise.all([door?.close(), pumping]), patience]);
  } finally {
    await figures?.close();
    drained.abort();
    await running;
  }
}

async function openDoor(
  agent: DeviceAgent,
  config: AgentConfig,
  log: Log,
): Promise<FrontDoor | undefined> {
  const { listen } = config.serving;
  if (listen === undefined) return undefined;
  // An agent that keeps its door shut does not pay for the HTTP server's memory.
  const { openFrontDoor } = await import('./serving/front-door.ts');
  const rule = await doorRule(config.serving, config);
  const door = await openFrontDoor({ agent, agentVersion, log, ...listen, ...rule });
  log.info({ event: 'door-opened', host: listen.host, port: door.port }, 'inference is served');
  return door;
}

async function openFigures(
  agent: DeviceAgent,
  world: { readonly config: AgentConfig; readonly log: Log; readonly page: MetricsPage },
): Promise<FrontDoor | undefined> {
  const { config, log, page } = world;
  const { listen } = config.metrics;
  if (listen === undefined) return undefined;
  for (const door of ['serving', 'metrics'] as const) {
    const { listen: at, tls } = config[door];
    const isPlaintext = at !== undefined && isPlaintextDoor({ host: at.host, tls });
    page.metrics.gauge('skein_plaintext_listener', isPlaintext ? 1 : 0, { door });
  }
  const { openMetricsDoor } = await import('./serving/metrics-door.ts');
  const exposition = async () => {
    await agent.readGauges();
    return page.exposition();
  };
  const rule = await doorRule(config.metrics, config);
  const door = await openMetricsDoor({ log, exposition, ...listen, ...rule });
  const fields = { event: 'metrics-opened', host: listen.host, port: door.port };
  log.info(fields, 'metrics may be read');
  return door;
}

async function doorRule({ tokenFile, tls, hosts }: DoorConfig, { server }: AgentConfig) {
  return {
    ...{ hosts, insecurePlaintext: server.insecurePlaintext },
    token: tokenFile === undefined ? undefined : await readFirstLine(tokenFile),
    tls:
      tls === undefined
        ? undefined
        : { cert: await readText(tls.certFile), key: await readText(tls.keyFile) },
  };
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

const systemZone = (): string => new Intl.DateTimeFormat().resolvedOptions().timeZone;
