import {
  type ConfigForm,
  type ConfigLayers,
  mergeConfigLayers,
} from '../shared/codec/config-layers.ts';
import {
  type OnnxAllowance,
  OnnxWordsSchema,
  onnxAllowanceOf,
} from '../shared/codec/onnx-allowance.ts';
import { createValidator } from '../shared/codec/validator.ts';
import { type Static, Type } from '../shared/contracts/json-schema.ts';
import { limits } from '../shared/contracts/limits.ts';
import { AppNameSchema, CounterSchema, oneOf } from '../shared/contracts/names.ts';
import { err, ok, type Result } from '../shared/core/result.ts';

const closed = { additionalProperties: false } as const;
const Path = Type.String({ minLength: 1, maxLength: 4096 });
const Labels = Type.Optional(oneOf(['none', 'extension']));
const Topic = Type.String({ minLength: 1, maxLength: 256, pattern: '^[^+#\\u0000]+$' });

const InputSchema = Type.Union([
  Type.Object(
    {
      kind: Type.Literal('folder'),
      app: AppNameSchema,
      folder: Path,
      /** Where answers are written; beside the inputs when absent. */
      answers: Type.Optional(Path),
      labels: Labels,
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('replay'),
      app: AppNameSchema,
      paths: Type.Optional(Type.Array(Path, { maxItems: 256 })),
      /** A text file with one path per line. */
      list: Type.Optional(Path),
      perSecond: Type.Number({ exclusiveMinimum: 0, maximum: limits.replayPerSecondMax }),
      labels: Labels,
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('topic'),
      app: AppNameSchema,
      /** A broker on the device's own network, not the fleet's. */
      url: Type.String({ pattern: '^(mqtts?://|unix:/)', maxLength: 255 }),
      topic: Topic,
      answerTopic: Topic,
      username: Type.Optional(Type.String({ maxLength: 256 })),
      passwordFile: Type.Optional(Path),
    },
    closed,
  ),
]);
export type InputConfig = Static<typeof InputSchema>;

/** Where a door opens and for whom; without `listen` it stays closed. */
const doorFields = {
  listen: Type.Optional(Type.String({ pattern: '^.+:[0-9]{1,5}$', maxLength: 270 })),
  /** File with the bearer token in its first line. */
  tokenFile: Type.Optional(Path),
  certFile: Type.Optional(Path),
  keyFile: Type.Optional(Path),
  /** Further names that requests may ask for. */
  hosts: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 253 }), { maxItems: 32 })),
};
const MetricsSchema = Type.Object(doorFields, closed);

/** The agent's configuration as a person writes it; everything may be left out. */
export const AgentConfigSchema = Type.Object(
  {
    server: Type.Optional(
      Type.Object(
        {
          /** The broker as this device reaches it; otherwise what the login says, on the server's own host. */
          brokerUrl: Type.Optional(Type.String({ pattern: '^(mqtts?://|unix:/)', maxLength: 255 })),
          insecurePlaintext: Type.Optional(Type.Boolean()),
        },
        closed,
      ),
    ),
    /** IANA name of the device's time zone, for maintenance windows; the system's when absent. */
    zone: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    windowMs: Type.Optional(Type.Integer({ minimum: 100, maximum: 86_400_000 })),
    logLevel: Type.Optional(oneOf(['info', 'warn', 'error', 'silent'])),
    /** Where committed models run; `process` isolates them at the price of memory. */
    isolation: Type.Optional(oneOf(['worker', 'process'])),
    /** The owner's ceiling: no bundle and no message raises it. */
    policy: Type.Optional(
      Type.Object(
        {
          memoryBytesMax: Type.Optional(CounterSchema),
          monthlyBytesMax: Type.Optional(CounterSchema),
          threads: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
          inputsMayLeave: Type.Optional(Type.Boolean()),
          /** Learn from own labelled inputs and take part in rounds: weights may leave, inputs do not. */
          mayTrain: Type.Optional(Type.Boolean()),
          roundsPerDay: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
          /** Histograms of fewer values wait for the next window; the house's own minimum cannot be lowered. */
          minCount: Type.Optional(
            Type.Integer({ minimum: limits.windowMinCount, maximum: 1_000_000 }),
          ),
          /** What graphs may hold beyond the operators that every device accepts. */
          onnx: Type.Optional(OnnxWordsSchema),
        },
        closed,
      ),
    ),
    inputs: Type.Optional(Type.Array(InputSchema, { maxItems: limits.inputSourcesMax })),
    /** The front door: Open Inference Protocol V2. Without `listen` it stays closed. */
    serving: Type.Optional(
      Type.Object(
        {
          ...doorFields,
          /** Reported as the fact `cloud`: this agent serves others. */
          cloud: Type.Optional(Type.Boolean()),
        },
        closed,
      ),
    ),
    /** Prometheus metrics of this agent. Without `listen` nothing is counted for them. */
    metrics: Type.Optional(MetricsSchema),
  },
  closed,
);
type WrittenConfig = Static<typeof AgentConfigSchema>;

export interface AgentConfig {
  readonly server: { readonly brokerUrl: string | undefined; readonly insecurePlaintext: boolean };
  readonly zone: string | undefined;
  readonly windowMs: number;
  readonly logLevel: 'info' | 'warn' | 'error' | 'silent';
  readonly isolation: 'worker' | 'process';
  readonly policy: {
    /** Half of the machine's memory when absent. */
    readonly memoryBytesMax: number | undefined;
    readonly monthlyBytesMax: number | undefined;
    readonly threads: number | undefined;
    readonly inputsMayLeave: boolean;
    readonly mayTrain: boolean;
    readonly roundsPerDay: number;
    readonly minCount: number;
    readonly onnx: Required<OnnxAllowance>;
  };
  readonly inputs: readonly InputConfig[];
  readonly serving: DoorConfig & { readonly cloud: boolean };
  readonly metrics: DoorConfig;
}

export interface DoorConfig {
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  readonly tokenFile: string | undefined;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly hosts: readonly string[];
}

export interface ConfigFailure {
  readonly code: 'config-invalid';
  /** Where: `file`, an environment variable or a flag, and the place in it. */
  readonly message: string;
}

const form: ConfigForm<WrittenConfig> = {
  validate: createValidator(AgentConfigSchema),
  owner: 'agent',
  prefix: 'SKEIN_AGENT_',
  // Variables of the command line itself.
  foreign: new Set(['SKEIN_AGENT_STATE', 'SKEIN_AGENT_CONFIG']),
  settable: new Map([
    ['server.brokerUrl', 'text'],
    ['server.insecurePlaintext', 'flag'],
    ['zone', 'text'],
    ['windowMs', 'number'],
    ['logLevel', 'text'],
    ['isolation', 'text'],
    ['policy.memoryBytesMax', 'number'],
    ['policy.monthlyBytesMax', 'number'],
    ['policy.threads', 'number'],
    ['policy.inputsMayLeave', 'flag'],
    ['policy.mayTrain', 'flag'],
    ['policy.roundsPerDay', 'number'],
    ['policy.minCount', 'number'],
    ['policy.onnx', 'list'],
    ['serving.listen', 'text'],
    ['serving.tokenFile', 'text'],
    ['serving.certFile', 'text'],
    ['serving.keyFile', 'text'],
    ['serving.cloud', 'flag'],
    ['metrics.listen', 'text'],
    ['metrics.tokenFile', 'text'],
    ['metrics.certFile', 'text'],
    ['metrics.keyFile', 'text'],
  ]),
};

/** File below environment below `--set`; parsed once and frozen. An unknown key anywhere is an error. */
export function parseAgentConfig(layers: ConfigLayers): Result<AgentConfig, ConfigFailure> {
  const merged = mergeConfigLayers(form, layers);
  return merged.ok ? complete(merged.value) : invalid(merged.error);
}

function complete(written: WrittenConfig): Result<AgentConfig, ConfigFailure> {
  const { server = {}, policy = {}, serving = {}, metrics = {}, inputs = [] } = written;
  const doors = { serving: doorOf('/serving', serving), metrics: doorOf('/metrics', metrics) };
  if (!doors.serving.ok) return doors.serving;
  if (!doors.metrics.ok) return doors.metrics;
  const replay = inputs.findIndex(
    (input) => input.kind === 'replay' && input.paths === undefined && input.list === undefined,
  );
  if (replay >= 0) return invalid(`/inputs/${replay} needs paths or list`);
  return ok(
    deepFreeze({
      server: {
        brokerUrl: server.brokerUrl,
        insecurePlaintext: server.insecurePlaintext ?? false,
      },
      zone: written.zone,
      windowMs: written.windowMs ?? 60_000,
      logLevel: written.logLevel ?? 'info',
      isolation: written.isolation ?? 'worker',
      policy: {
        memoryBytesMax: policy.memoryBytesMax,
        monthlyBytesMax: policy.monthlyBytesMax,
        threads: policy.threads,
        inputsMayLeave: policy.inputsMayLeave ?? false,
        mayTrain: policy.mayTrain ?? true,
        roundsPerDay: policy.roundsPerDay ?? limits.roundsPerDay,
        minCount: policy.minCount ?? limits.windowMinCount,
        onnx: onnxAllowanceOf(policy.onnx ?? []),
      },
      inputs,
      serving: { ...doors.serving.value, cloud: serving.cloud ?? false },
      metrics: doors.metrics.value,
    }),
  );
}

function doorOf(
  place: string,
  written: Static<typeof MetricsSchema>,
): Result<DoorConfig, ConfigFailure> {
  const { certFile, keyFile, tokenFile, hosts = [] } = written;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    return invalid(`${place} certFile and keyFile come together`);
  }
  const listen = written.listen === undefined ? undefined : addressOf(written.listen);
  if (listen !== undefined && listen.port > 65_535) return invalid(`${place}/listen has no port`);
  const tls = certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile };
  return ok({ listen, tokenFile, tls, hosts });
}

/** `127.0.0.1:8080`, `[::1]:8080`. */
function addressOf(text: string): { readonly host: string; readonly port: number } {
  const at = text.lastIndexOf(':');
  return {
    host: text.slice(0, at).replace(/^\[|\]$/g, ''),
    port: Number(text.slice(at + 1)),
  };
}

/** As `--print-config` shows it: the login that an address may carry is taken out. Other secrets lie in files. */
export function printAgentConfig(config: AgentConfig): string {
  const redacted = (_key: string, value: unknown): unknown =>
    typeof value === 'string' ? value.replace(/^([a-z]+:\/\/)[^@/]*@/, '$1[secret]@') : value;
  return `${JSON.stringify(config, redacted, 2)}\n`;
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value) as unknown[]) {
    if (typeof part === 'object' && part !== null) deepFreeze(part);
  }
  return Object.freeze(value);
}

const invalid = (message: string): Result<never, ConfigFailure> =>
  err({ code: 'config-invalid', message: message.trim() });
