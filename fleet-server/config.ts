import { isIP } from 'node:net';
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
import { FleetIdSchema, oneOf } from '../shared/contracts/names.ts';
import { err, ok, type Result } from '../shared/core/result.ts';

const closed = { additionalProperties: false } as const;
const Path = Type.String({ minLength: 1, maxLength: 4096 });
const Host = Type.String({ minLength: 1, maxLength: 253 });
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });

/** The fleet server's configuration as a person writes it; everything may be left out. */
export const ServerConfigSchema = Type.Object(
  {
    /** Folder of everything the server keeps: database, blobs, keys, secrets. */
    data: Type.Optional(Path),
    /** How devices and people reach this server; signed into every login. From `http` when absent. */
    origin: Type.Optional(
      Type.String({ pattern: '^https?://[A-Za-z0-9.:\\[\\]-]+$', maxLength: 255 }),
    ),
    http: Type.Optional(
      Type.Object(
        {
          host: Type.Optional(Host),
          port: Type.Optional(Port),
          certFile: Type.Optional(Path),
          keyFile: Type.Optional(Path),
          /** Further names that requests may ask for. */
          hosts: Type.Optional(Type.Array(Host, { maxItems: 32 })),
        },
        closed,
      ),
    ),
    broker: Type.Optional(
      Type.Object(
        {
          host: Type.Optional(Host),
          port: Type.Optional(Port),
          certFile: Type.Optional(Path),
          keyFile: Type.Optional(Path),
          /** What a login tells the device; from host and port when absent. */
          url: Type.Optional(Type.String({ pattern: '^mqtts?://', maxLength: 255 })),
        },
        closed,
      ),
    ),
    /** Made at start when they are missing. */
    fleets: Type.Optional(
      Type.Array(FleetIdSchema, { minItems: 1, maxItems: 64, uniqueItems: true }),
    ),
    /** First trusted root as `skein keys publish` wrote it; `<data>/first-root.json` when absent. */
    rootFile: Type.Optional(Path),
    /** Opens sealed online keys. */
    passphraseFile: Type.Optional(Path),
    /** Certificate authority that devices pin, as PEM; its digest stands in enrolment strings. */
    caFile: Type.Optional(Path),
    insecurePlaintext: Type.Optional(Type.Boolean()),
    logLevel: Type.Optional(oneOf(['info', 'warn', 'error', 'silent'])),
    /** How long an order may start an install. */
    orderLifeMs: Type.Optional(Type.Integer({ minimum: 60_000, maximum: 31_622_400_000 })),
    /** Spread of what many devices would do at once. */
    jitterMs: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.jitterMsMax })),
    /** Sealed telemetry windows older than this many days are removed; what they were counted into stays. */
    windowDaysKept: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.windowDaysKeptMax })),
    /** The content of bundles that are retired or revoked for this many days goes when nobody needs it. */
    bundleDaysKept: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.bundleDaysKeptMax })),
    /** What this server publishes for devices whose owners allow it; each device's own file judges again. */
    policy: Type.Optional(
      Type.Object(
        {
          /** What graphs may hold beyond the operators that every device accepts. */
          onnx: Type.Optional(OnnxWordsSchema),
        },
        closed,
      ),
    ),
  },
  closed,
);
type WrittenConfig = Static<typeof ServerConfigSchema>;
type Fleets = NonNullable<WrittenConfig['fleets']>;

export interface ListenConfig {
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
}

export interface ServerConfig {
  readonly data: string;
  readonly origin: string;
  readonly http: ListenConfig & { readonly hosts: readonly string[] };
  readonly broker: ListenConfig & { readonly url: string };
  readonly fleets: Readonly<Fleets>;
  readonly rootFile: string;
  readonly passphraseFile: string | undefined;
  readonly caFile: string | undefined;
  readonly insecurePlaintext: boolean;
  readonly logLevel: 'info' | 'warn' | 'error' | 'silent';
  readonly orderLifeMs: number;
  readonly jitterMs: number;
  readonly windowDaysKept: number;
  readonly bundleDaysKept: number;
  readonly policy: { readonly onnx: Required<OnnxAllowance> };
}

export interface ConfigFailure {
  readonly code: 'config-invalid' | 'plaintext-refused';
  /** Where: `file`, an environment variable or a flag, and the place in it. */
  readonly message: string;
}

const form: ConfigForm<WrittenConfig> = {
  validate: createValidator(ServerConfigSchema),
  owner: 'server',
  prefix: 'SKEIN_SERVER_',
  // Variables of the command line itself.
  foreign: new Set(['SKEIN_SERVER_CONFIG']),
  settable: new Map([
    ['data', 'text'],
    ['origin', 'text'],
    ['http.host', 'text'],
    ['http.port', 'number'],
    ['http.certFile', 'text'],
    ['http.keyFile', 'text'],
    ['http.hosts', 'list'],
    ['broker.host', 'text'],
    ['broker.port', 'number'],
    ['broker.certFile', 'text'],
    ['broker.keyFile', 'text'],
    ['broker.url', 'text'],
    ['fleets', 'list'],
    ['rootFile', 'text'],
    ['passphraseFile', 'text'],
    ['caFile', 'text'],
    ['insecurePlaintext', 'flag'],
    ['logLevel', 'text'],
    ['orderLifeMs', 'number'],
    ['jitterMs', 'number'],
    ['windowDaysKept', 'number'],
    ['bundleDaysKept', 'number'],
    ['policy.onnx', 'list'],
  ]),
};

/** File below environment below `--set`; parsed once and frozen. An unknown key anywhere is an error. */
export function parseServerConfig(layers: ConfigLayers): Result<ServerConfig, ConfigFailure> {
  const merged = mergeConfigLayers(form, layers);
  return merged.ok ? complete(merged.value) : invalid(merged.error);
}

function complete(written: WrittenConfig): Result<ServerConfig, ConfigFailure> {
  const { data = './skein-data', http = {}, broker = {}, insecurePlaintext = false } = written;
  const web = listenOf(http, 8080);
  const mqtt = listenOf(broker, 1883);
  for (const [name, written, listen] of [
    ['http', http, web],
    ['broker', broker, mqtt],
  ] as const) {
    if ((written.certFile === undefined) !== (written.keyFile === undefined)) {
      return invalid(`/${name} certFile and keyFile come together`);
    }
    if (listen.tls === undefined && !isLoopback(listen.host) && !insecurePlaintext) {
      const message = `${name} on ${listen.host} is not loopback and has no TLS`;
      return err({ code: 'plaintext-refused', message });
    }
  }
  const origin = written.origin ?? `http${web.tls === undefined ? '' : 's'}://${urlHost(web)}`;
  const url = broker.url ?? `mqtt${mqtt.tls === undefined ? '' : 's'}://${urlHost(mqtt)}`;
  const hosts = [...(http.hosts ?? []), new URL(origin).hostname, bracketed(web.host)];
  if (isLoopback(web.host)) hosts.push('localhost', '127.0.0.1', '[::1]');
  return ok(
    deepFreeze({
      data,
      origin,
      http: { ...web, hosts: [...new Set(hosts)].sort() },
      broker: { ...mqtt, url },
      fleets: written.fleets ?? (['default'] as Fleets),
      rootFile: written.rootFile ?? `${data}/first-root.json`,
      passphraseFile: written.passphraseFile,
      caFile: written.caFile,
      insecurePlaintext,
      logLevel: written.logLevel ?? 'info',
      orderLifeMs: written.orderLifeMs ?? 7 * 86_400_000,
      jitterMs: written.jitterMs ?? 10_000,
      windowDaysKept: written.windowDaysKept ?? limits.windowDaysKept,
      bundleDaysKept: written.bundleDaysKept ?? limits.bundleDaysKept,
      policy: { onnx: onnxAllowanceOf(written.policy?.onnx ?? []) },
    }),
  );
}

function listenOf(
  written: NonNullable<WrittenConfig['http'] | WrittenConfig['broker']>,
  port: number,
): ListenConfig {
  const { certFile, keyFile, host = '127.0.0.1' } = written;
  const tls = certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile };
  return { host, port: written.port ?? port, tls };
}

/** A name is not an address: only `localhost` is known to stay on this machine. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

const bracketed = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);
const urlHost = ({ host, port }: ListenConfig): string => `${bracketed(host)}:${port}`;

/** As `--print-config` shows it: the login that an address may carry is taken out. Other secrets lie in files. */
export function printServerConfig(config: ServerConfig): string {
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
