import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTufCommand, type TufRequest } from '../../cli/tuf/run-tuf-command.ts';
import { day0Ms, TufRepository } from './tuf-repository.ts';

/** The client under test as the public suite sees it: three verbs, exit codes, files in two folders. */
export interface ConformanceClient {
  init(root?: Uint8Array): Promise<0 | 1>;
  refresh(nowMs?: number): Promise<0 | 1>;
  download(names: string | readonly string[], nowMs?: number): Promise<0 | 1>;
  /** Bytes of a trusted role. */
  trusted(role: string): Promise<Uint8Array | undefined>;
  version(role: string): Promise<number | undefined>;
  /** `role version` of each trusted file, sorted. */
  trustedRoles(): Promise<readonly string[]>;
  /** Contents of downloaded targets, oldest first. */
  downloaded(): Promise<readonly string[]>;
  /** What the last failing verb said. */
  readonly explained: string;
}

export interface ConformanceSetting {
  readonly repo: TufRepository;
  readonly client: ConformanceClient;
}

/** One repository on loopback HTTP and one client with folders of its own, for the length of `scenario`. */
export async function withConformance(
  scenario: (setting: ConformanceSetting) => Promise<void>,
): Promise<void> {
  const repo = new TufRepository();
  const server = await serve(repo);
  const folder = await mkdtemp(join(tmpdir(), 'skein-tuf-'));
  try {
    const { port } = server.address() as AddressInfo;
    await scenario({ repo, client: createClient(repo, folder, `http://127.0.0.1:${port}`) });
  } finally {
    await rm(folder, { recursive: true });
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  }
}

async function serve(repo: TufRepository): Promise<Server> {
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    const bytes = url.startsWith('/metadata/')
      ? repo.serve(url.slice('/metadata/'.length))
      : repo.serveTarget(url.slice('/targets/'.length));
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function createClient(repo: TufRepository, folder: string, origin: string): ConformanceClient {
  const metadataDir = join(folder, 'metadata');
  const targetDir = join(folder, 'targets');
  const metadataUrl = `${origin}/metadata/`;
  let explained = '';
  const run = (request: TufRequest, nowMs: number): Promise<0 | 1> =>
    runTufCommand(request, { nowMs: () => nowMs, explain: (line) => (explained = line) });
  const trusted = async (role: string): Promise<Uint8Array | undefined> =>
    readFile(join(metadataDir, `${role}.json`)).catch(() => undefined);
  return {
    init: async (root = repo.latest('root', 1) ?? new Uint8Array()) => {
      const rootFile = join(folder, 'initial_root.json');
      await writeFile(rootFile, root);
      return run({ verb: 'init', metadataDir, rootFile }, day0Ms);
    },
    refresh: (nowMs = day0Ms) => run({ verb: 'refresh', metadataDir, metadataUrl }, nowMs),
    download: (names, nowMs = day0Ms) =>
      run(
        {
          verb: 'download',
          metadataDir,
          metadataUrl,
          targetNames: typeof names === 'string' ? [names] : names,
          targetBaseUrl: `${origin}/targets/`,
          targetDir,
        },
        nowMs,
      ),
    trusted,
    version: async (role) => versionOf(await trusted(role)),
    trustedRoles: async () => {
      const names = (await readdir(metadataDir)).filter((name) => name.endsWith('.json')).sort();
      const roles = names.map((name) => name.slice(0, -'.json'.length));
      return Promise.all(roles.map(async (r) => `${r} ${versionOf(await trusted(r)) ?? 0}`));
    },
    downloaded: () => contentsByAge(targetDir),
    get explained() {
      return explained;
    },
  };
}

function versionOf(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined) return undefined;
  return (JSON.parse(Buffer.from(bytes).toString()) as { signed: { version: number } }).signed
    .version;
}

async function contentsByAge(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  const files = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      return { changed: (await stat(path)).mtimeMs, text: await readFile(path, 'utf8') };
    }),
  );
  return files.sort((a, b) => a.changed - b.changed).map(({ text }) => text);
}
