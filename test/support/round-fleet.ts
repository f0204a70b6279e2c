import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DeviceAgent } from '../../agent/runner/device-agent.ts';
import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import type { CatalogueFile } from '../../firmware-bundles/zoo/filetype/catalogue.ts';
import { createOnlineKeys, FileKeyStore } from '../../fleet-server/adapters/keys/file-key-store.ts';
import { parseServerConfig } from '../../fleet-server/config.ts';
import { type RunningServer, startServer } from '../../fleet-server/main.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import { NodeDisk } from '../../shared/adapters/disk/node-disk.ts';
import { HttpFetcher } from '../../shared/adapters/http/http-fetcher.ts';
import { MqttTransport } from '../../shared/adapters/mqtt/mqtt-transport.ts';
import { cryptoRandom as random } from '../../shared/adapters/random/crypto-random.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../shared/core/canonical-json.ts';
import type { AppName, BootId, DeviceId, Digest, FleetId } from '../../shared/core/ids.ts';
import type { InferenceRuntime } from '../../shared/ports/inference-runtime.ts';
import type { KeyStore } from '../../shared/ports/key-store.ts';
import { createSoftwareSigner } from '../../shared/trust/ed25519.ts';
import {
  delegationsJson,
  ed25519Key,
  rootBody,
  signBody,
  targetsBody,
} from '../../shared/trust/tuf/repository.ts';
import { CountingMetrics } from '../../sim/world/counting-metrics.ts';
import { freePorts } from './free-ports.ts';
import { silentLog } from './silent-ports.ts';
import { ed25519Signer } from './tuf-signers.ts';

export const roundFleet = 'plant' as FleetId;
const app = 'filetype' as AppName;
const dayMs = 86_400_000;
const rootKeys = ['round-r1', 'round-r2'].map(ed25519Signer);
const targetsKey = ed25519Signer('round-targets');

/** The server as `skein server run` starts it, with its files below a folder, asked over its own REST API. */
export class RoundFleet {
  readonly #server: RunningServer;
  readonly #folder: string;
  readonly #token: string;
  readonly #brokerUrl: string;
  readonly #online: KeyStore;
  readonly #root: Uint8Array;
  readonly devices: FleetDevice[] = [];

  private constructor(parts: {
    readonly server: RunningServer;
    readonly folder: string;
    readonly token: string;
    readonly brokerUrl: string;
    readonly online: KeyStore;
    readonly root: Uint8Array;
  }) {
    this.#server = parts.server;
    this.#folder = parts.folder;
    this.#token = parts.token;
    this.#brokerUrl = parts.brokerUrl;
    this.#online = parts.online;
    this.#root = parts.root;
  }

  static async open(folder: string): Promise<RoundFleet> {
    const data = join(folder, 'server');
    await createOnlineKeys({ folder: join(data, 'keys') });
    const online = await FileKeyStore.open({ folder: join(data, 'keys') });
    const [http, broker] = await freePorts(2);
    const settings = [
      ...[`data=${data}`, 'logLevel=silent', `fleets=${roundFleet}`],
      ...[`http.port=${http}`, `broker.port=${broker}`],
    ];
    const config = parseServerConfig({ file: undefined, environment: {}, settings });
    if (!config.ok) throw new Error(config.error.message);
    const root = firstRoot(online);
    await writeFile(config.value.rootFile, root);
    const server = await startServer(config.value);
    const token = (await readFile(server.firstTokenFile ?? '', 'utf8')).trim();
    const brokerUrl = config.value.broker.url;
    return new RoundFleet({ server, folder, token, brokerUrl, online, root });
  }

  /** How the command line reaches this server. */
  get doors(): { readonly origin: string; readonly brokerUrl: string; readonly token: string } {
    return { origin: this.#server.origin, brokerUrl: this.#brokerUrl, token: this.#token };
  }

  /** As an operator: blobs up, then one offline-signed targets file that lets rounds replace `federable`. */
  async publish(bundle: PackedBundle, federable: readonly string[]): Promise<void> {
    const { config, digest, manifest } = bundle;
    for (const [name, bytes] of [...bundle.blobs, [digest, manifest] as const]) {
      await this.put(`/v2/${config.name}/blobs/${name}`, bytes);
    }
    const fixed = new Map<string, Json>([
      [
        'director.json',
        {
          version: 1,
          keys: [hexOf(this.#online.signer('director').publicKey)],
          auditKeys: [hexOf(this.#online.signer('audit').publicKey)],
        },
      ],
      ['revoked.json', { revoked: [] }],
    ]);
    const entries = [...fixed].map(([path, value]) => ({
      path,
      bytes: utf8(canonicalJson(value)),
    }));
    for (const { path, bytes } of entries) await this.put(`/tuf/targets/${path}`, bytes);
    const custom: Json = {
      ...{ name: config.name, version: config.version, releaseCounter: 1, fleets: [] },
      ...{ classMatch: {}, status: 'live', federable: [...federable] },
    };
    const path = `bundles/${config.name}@${config.version}`;
    const body = targetsBody({
      ...{ version: 1, expiresAtMs: Date.now() + dayMs },
      targets: [...entries, { path, bytes: manifest, custom }],
    });
    const role = {
      ...{ name: `federated-${roundFleet}`, paths: [`federated/${roundFleet}/*`] },
      ...{ terminating: true, threshold: 1 },
      keys: [ed25519Key(this.#online.signer('federated').publicKey)],
    };
    const whole = { ...body, delegations: delegationsJson([role]) };
    await this.put('/tuf/1.targets.json', signBody(whole, [targetsKey.sign]));
  }

  /** Enrols a device by a claim of its own and lets it answer its own files, again and again. */
  async addDevice(
    name: string,
    options: {
      readonly runtime: InferenceRuntime;
      readonly files: readonly CatalogueFile[];
      readonly mayTrain?: boolean;
    },
  ): Promise<FleetDevice> {
    const { claim } = await this.ask<{ readonly claim: string }>('/claims', {
      body: { preAuthorized: true, idPattern: name },
    });
    const root = join(this.#folder, name);
    await mkdir(root, { recursive: true });
    const fetcher = new HttpFetcher({ origin: this.#server.origin });
    const { runtime, files, mayTrain } = options;
    const agent = await DeviceAgent.open(
      {
        ...{ clock, random, fetcher, runtime, log: silentLog, metrics: new CountingMetrics() },
        disk: new NodeDisk({ root, onFsyncFailure: () => process.abort() }),
        transport: new MqttTransport({ url: this.#brokerUrl }),
      },
      {
        address: { fleet: roundFleet, device: name as DeviceId },
        deviceKey: createSoftwareSigner(new Uint8Array(randomBytes(32))),
        boot: hexOf(random.bytes(16)) as BootId,
        ...{ audience: this.#server.origin, claim, pinnedRoot: this.#root },
        ...{ agentVersion: '0.1.0', builtAtMs: Date.UTC(2025, 0, 1), zone: undefined },
        facts: { providers: 'cpu' },
        ...{ windowMs: 500, memoryBytesMax: 2 ** 30, monthlyBytesMax: undefined, threads: 1 },
        ...(mayTrain === undefined ? {} : { mayTrain }),
        askToBeKilled: () => undefined,
      },
    );
    const device = new FleetDevice(agent, files, fetcher);
    this.devices.push(device);
    return device;
  }

  /** Of the fleet's part of the REST API. Throws the problem's code. */
  async ask<T>(
    path: string,
    request: { readonly body?: object; readonly ifMatch?: string } = {},
  ): Promise<T> {
    const { body, ifMatch } = request;
    const answer = await fetch(`${this.#server.origin}/api/v1/fleets/${roundFleet}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
      },
    });
    const text = await answer.text();
    if (answer.status >= 300) throw new Error(`${path} answered ${answer.status}: ${text}`);
    return JSON.parse(text) as T;
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    const answer = await fetch(`${this.#server.origin}${path}`, {
      method: 'PUT',
      body: Buffer.from(bytes),
      headers: {
        authorization: `Bearer ${this.#token}`,
        'content-type': 'application/octet-stream',
      },
    });
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  }

  async close(): Promise<void> {
    for (const device of this.devices) await device.close();
    await this.#server.stop();
  }
}

/** A running agent that looks at its own files in turn. */
export class FleetDevice {
  readonly agent: DeviceAgent;
  readonly #stop = new AbortController();
  readonly #fetcher: HttpFetcher;
  readonly #life: Promise<unknown>;

  constructor(agent: DeviceAgent, files: readonly CatalogueFile[], fetcher: HttpFetcher) {
    this.agent = agent;
    this.#fetcher = fetcher;
    this.#life = Promise.all([agent.run(this.#stop.signal), this.#replay(files)]);
  }

  /** What is committed. */
  get running(): Digest | undefined {
    const state = this.agent.state.apps.get(app);
    return state?.attempt === undefined ? state?.running?.slot.digest : undefined;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#life;
    this.#fetcher.close();
  }

  async #replay(files: readonly CatalogueFile[]): Promise<void> {
    const { signal } = this.#stop;
    for (let turn = 0; !signal.aborted; turn += 1) {
      await clock.sleepUntil(clock.monotonicMs() + 10, signal);
      const file = files[turn % files.length];
      if (file === undefined) continue;
      const bytes = file.counts.slice();
      const counts = { type: 'uint8' as const, shape: [1, bytes.length], bytes };
      const input = { kind: 'tensors' as const, tensors: new Map([['counts', counts]]) };
      // Before the first bundle nothing answers; what an answer is worth is the server's to judge.
      await this.agent.infer(app, input, file.label).catch(() => undefined);
    }
  }
}

function firstRoot(online: KeyStore): Uint8Array {
  const grant = (publicKey: Uint8Array) => ({ keys: [ed25519Key(publicKey)], threshold: 1 });
  const body = rootBody({
    version: 1,
    expiresAtMs: Date.now() + dayMs,
    roles: {
      root: { keys: rootKeys.map(({ key }) => key), threshold: 2 },
      targets: { keys: [targetsKey.key], threshold: 1 },
      snapshot: grant(online.signer('snapshot').publicKey),
      timestamp: grant(online.signer('timestamp').publicKey),
    },
  });
  return signBody(
    body,
    rootKeys.map(({ sign }) => sign),
  );
}
