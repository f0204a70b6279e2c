import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { expect } from 'vitest';
import { house, shellBlocks, textOf } from './deploy-files.ts';

export interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly complaint: string;
}

/** A program that runs on beside the test. */
export interface Daemon {
  /** What it has said on its standard error so far. */
  readonly heard: () => string;
  readonly stop: () => Promise<void>;
}

/** A page of the documentation in a folder of its own, with `skein` on the path: its blocks are run as they stand. */
export class FollowedPage {
  readonly folder: string;
  /** Shell blocks, in their order, with the ports of this machine. */
  readonly blocks: readonly string[];
  readonly #here: string;
  #daemons: readonly ChildProcess[] = [];

  private constructor(folder: string, here: string) {
    this.folder = folder;
    this.#here = here;
    this.blocks = shellBlocks(here);
  }

  /** `ports`: what stands in the pages, and what is free here. Several pages are one walk. */
  static async open(
    pages: readonly string[],
    ports: ReadonlyMap<string, number>,
  ): Promise<FollowedPage> {
    const folder = await mkdtemp(join(tmpdir(), 'skein-page-'));
    let here = pages.map(textOf).join('\n');
    for (const [written, free] of ports) here = here.replaceAll(written, String(free));
    await mkdir(join(folder, 'bin'));
    const program = `#!/bin/sh\nexec '${process.execPath}' '${house}dist/cli/skein.js' "$@"\n`;
    await writeFile(join(folder, 'bin', 'skein'), program);
    await chmod(join(folder, 'bin', 'skein'), 0o755);
    return new FollowedPage(folder, here);
  }

  /** The first configuration that is printed. */
  get yaml(): string {
    const [, yaml = ''] = /^```yaml\n(.*?)^```/ms.exec(this.#here) ?? [];
    return yaml;
  }

  at(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** The one block that holds this text. */
  block(text: string): string {
    const found = this.blocks.filter((block) => block.includes(text));
    expect(found.length, text).toBe(1);
    return found[0] ?? '';
  }

  /** Runs that block; it must succeed. */
  async follow(text: string): Promise<Ran> {
    return this.succeed(this.block(text));
  }

  async succeed(script: string): Promise<Ran> {
    const ran = await this.shell(script);
    expect(ran.status, `${script}\n${ran.out}\n${ran.complaint}`).toBe(0);
    return ran;
  }

  /** Not synchronous: the server answers from another process, but the watchdog is this one. */
  async shell(script: string): Promise<Ran> {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], this.#place());
    const heard = { out: '', complaint: '' };
    child.stdout.on('data', (chunk: Buffer) => {
      heard.out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      heard.complaint += chunk.toString();
    });
    const [status] = (await once(child, 'close')) as [number | null];
    return { ...heard, status };
  }

  /** Runs on beside the test; resolves when its standard error says so. */
  async start(script: string, ready: string): Promise<Daemon> {
    const child = spawn('bash', ['-c', `exec ${script}`], {
      ...this.#place(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#daemons = [...this.#daemons, child];
    let heard = '';
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (chunk: Buffer) => {
        heard += chunk.toString();
        if (heard.includes(ready)) resolve();
      });
      child.once('exit', () => reject(new Error(heard)));
    });
    return { heard: () => heard, stop: () => stopped(child) };
  }

  async close(): Promise<void> {
    await Promise.all(this.#daemons.map(stopped));
    await rm(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  #place(): { readonly cwd: string; readonly env: NodeJS.ProcessEnv } {
    const path = `${this.at('bin')}${delimiter}${process.env['PATH'] ?? ''}`;
    return { cwd: this.folder, env: { ...process.env, PATH: path } };
  }
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}
