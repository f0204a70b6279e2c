import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseAgentConfig } from '../../agent/config.ts';
import { runAgent } from '../../agent/main.ts';
import { runSkein } from '../../cli/program.ts';
import { parseServerConfig } from '../../fleet-server/config.ts';
import { startServer } from '../../fleet-server/main.ts';
import { house, shellBlocks, textOf } from '../support/deploy-files.ts';
import { readExposition, seriesOf } from '../support/exposition.ts';
import { freePorts } from '../support/free-ports.ts';

const hasOpenssl = spawnSync('openssl', ['version']).error === undefined;
const said: string[] = [];
const say = (text: string) => said.push(text);
const skein = (args: readonly string[]) => runSkein(args, { out: say, err: say });

describe.skipIf(!hasOpenssl)('given the how-to for containers (certificates need openssl)', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skein-deploy-'));
  });
  afterEach(() => rm(folder, { recursive: true, maxRetries: 5, retryDelay: 100 }));

  /** The shipped configuration, with the container's places and ports on this machine. */
  const shipped = (path: string, ports: Readonly<Record<string, number>>): unknown => {
    const secrets = join(folder, 'deploy', 'secrets');
    const files = {
      ...{ 'server-cert': 'server.pem', 'server-key': 'server.key', ca: 'ca.pem' },
      ...{ 'agent-cert': 'agent.pem', 'agent-key': 'agent.key' },
      'agent-metrics-token': 'agent-metrics.token',
    };
    let text = textOf(path).replaceAll('/var/lib/skein', join(folder, 'var'));
    for (const [name, file] of Object.entries(files)) {
      text = text.replaceAll(new RegExp(`/run/secrets/${name}$`, 'gm'), join(secrets, file));
    }
    for (const [from, to] of Object.entries(ports)) text = text.replaceAll(from, String(to));
    return parse(text.replaceAll('//server:', '//localhost:')) as unknown;
  };

  it('when it is followed on this machine, server and agent meet over TLS and are scraped', async () => {
    const [certificates = ''] = shellBlocks(textOf('docs/how-to/containers.md'));
    const made = spawnSync('bash', ['-euc', certificates], { cwd: folder });
    expect(made.status, made.stderr.toString()).toBe(0);
    expect(await skein(['init', '--demo', join(folder, 'var'), '--fleet', 'plant'])).toBe(0);
    const [web = 0, mqtt = 0, edge = 0] = await freePorts(3);
    const settings = ['logLevel=silent'];
    const environment = {};
    const serverFile = shipped('deploy/compose/server.yaml', { 8443: web, 8883: mqtt });
    const config = parseServerConfig({ file: serverFile, environment, settings });
    if (!config.ok) throw new Error(config.error.message);
    const server = await startServer(config.value);
    const ca = join(folder, 'deploy', 'secrets', 'ca.pem');
    const enrolment = join(folder, 'enrolment.txt');
    await writeFile(
      enrolment,
      await claimAt(server.origin, { ca, token: server.firstTokenFile ?? '' }),
    );
    const state = join(folder, 'edge-1');
    const enrol = ['agent', 'enrol', '--string-file', enrolment, '--if-new', '--state', state];
    const enrolHere = () => skein([...enrol, '--fleet', 'plant', '--device', 'edge-1']);
    expect(await enrolHere(), said.join('')).toBe(0);
    // The claim is used up: the second time nothing is asked of the server.
    expect(await enrolHere(), said.join('')).toBe(0);
    expect(said.join('')).toContain('enrolled already');

    const agentFile = shipped('deploy/compose/agent.yaml', { 9464: edge });
    const agent = parseAgentConfig({ file: agentFile, environment, settings });
    if (!agent.ok) throw new Error(agent.error.message);
    const stop = new AbortController();
    const life = runAgent({ config: agent.value, state, link, stop: stop.signal });
    const token = await readFile(join(folder, 'deploy', 'secrets', 'agent-metrics.token'), 'utf8');
    const url = `https://localhost:${edge}`;
    const authorization = `Bearer ${token.trim()}`;
    try {
      for (;;) {
        const { status, text } = await ask(`${url}/metrics`, { ca, authorization });
        const isOpen =
          status === 200 && readExposition(text).samples.get(seriesOf('skein_session_open'));
        if (isOpen === 1) break;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await runNode([`${house}deploy/healthy.mjs`, `${url}/livez`, ca]);
      expect((await ask(`${url}/metrics`, { ca, authorization: 'Bearer x' })).status).toBe(401);
    } finally {
      stop.abort();
      await life;
      await server.stop();
    }
  });
});

/** One device's claim, by the built command: which authorities a process trusts is set when it starts. */
async function claimAt(
  origin: string,
  by: { readonly ca: string; readonly token: string },
): Promise<string> {
  const claim = ['claim', 'create', '--server', origin, '--token-file', by.token];
  const text = await runNode(
    [`${house}dist/cli/skein.js`, ...claim, '--fleet', 'plant', '--pre-authorized'],
    { NODE_EXTRA_CA_CERTS: by.ca },
  );
  return text;
}

/** Answers stdout; not synchronous, because the server answers from this very process. */
async function runNode(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = spawn(process.execPath, args, { env: { ...process.env, ...environment } });
  let out = '';
  let complaint = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  expect(code, complaint).toBe(0);
  return out;
}

const link = {
  previousExit: undefined,
  askToBeKilled: () => undefined,
  trials: { started: () => undefined, ended: () => undefined },
  guardMemory: () => undefined,
  close: () => undefined,
};

/** Status 0 while nobody listens. */
async function ask(
  url: string,
  from: { readonly ca: string; readonly authorization: string },
): Promise<{ readonly status: number; readonly text: string }> {
  const ca = await readFile(from.ca);
  return new Promise((resolve) => {
    const call = get(url, { ca, headers: { authorization: from.authorization } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
      });
    });
    call.on('error', () => resolve({ status: 0, text: '' }));
  });
}
