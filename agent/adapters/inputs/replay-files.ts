import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { limits } from '../../../shared/contracts/limits.ts';
import type { AppName } from '../../../shared/core/ids.ts';
import { codeOf, OperatingError } from '../../../shared/core/operating-error.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import type { Log } from '../../../shared/ports/log.ts';
import { type LabelRule, labelOfName } from '../../core/inputs/label-of-name.ts';
import type { InputItem, InputSource } from '../../ports/input-source.ts';
import { readInputFile } from './read-input-file.ts';

export interface ReplayFilesOptions {
  readonly app: AppName;
  /** Files, and folders that are walked in name order. */
  readonly paths: readonly string[];
  /** A text file with one path per line, read before the others. */
  readonly list: string | undefined;
  readonly perSecond: number;
  readonly labels: LabelRule;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Recorded files, again and again at a steady rate. Answers go nowhere but into the windows. What is recorded does not
 * change, so files are read once, as far as `replayKeptBytesMax` allows.
 */
export class ReplayFiles implements InputSource {
  readonly name: string;
  readonly #options: ReplayFilesOptions;
  readonly #kept = new Map<string, Uint8Array>();
  #keptBytes = 0;

  constructor(options: ReplayFilesOptions) {
    this.#options = options;
    this.name = `replay:${options.list ?? options.paths[0] ?? ''}`;
  }

  async *items(signal: AbortSignal): AsyncGenerator<InputItem> {
    const { app, clock, labels, log, perSecond } = this.#options;
    const files = await this.#files();
    if (files.length === 0) throw new OperatingError('input-failed', `${this.name} has no file`);
    const pauseMs = 1000 / perSecond;
    let dueMs = clock.monotonicMs();
    for (let i = 0; !signal.aborted; i = (i + 1) % files.length) {
      const path = files[i] ?? '';
      try {
        const bytes = await this.#read(path);
        const label = labelOfName(path, labels);
        const input = { kind: 'bytes', bytes } as const;
        yield { app, input, ...(label === undefined ? {} : { label }), answered: nobody };
      } catch (error) {
        const fields = { event: 'input-failed', code: codeOf(error), source: this.name, path };
        log.warn(fields, 'a recorded file could not be read; the next one is taken');
      }
      // Behind by more than a second, the lost time is let go: a burst is no recorded traffic.
      dueMs = Math.max(dueMs + pauseMs, clock.monotonicMs() - 1000);
      await clock.sleepUntil(dueMs, signal);
    }
  }

  async #read(path: string): Promise<Uint8Array> {
    const known = this.#kept.get(path);
    if (known !== undefined) return known;
    const bytes = await readInputFile(path);
    if (this.#keptBytes + bytes.length <= limits.replayKeptBytesMax) {
      this.#kept.set(path, bytes);
      this.#keptBytes += bytes.length;
    }
    return bytes;
  }

  async #files(): Promise<readonly string[]> {
    const { list, paths } = this.#options;
    const listed = list === undefined ? [] : (await readListed(list)).split('\n');
    const files: string[] = [];
    for (const path of [...listed.filter((line) => line !== ''), ...paths]) {
      await collectFiles(path, files);
    }
    return files;
  }
}

const readListed = (list: string): Promise<string> =>
  readFile(list, 'utf8').catch((cause: unknown) => {
    throw new OperatingError('input-failed', `${list} cannot be read`, { cause });
  });

const nobody = async (): Promise<void> => undefined;

async function collectFiles(path: string, files: string[]): Promise<void> {
  if (files.length >= limits.replayFilesMax) return;
  const facts = await stat(path).catch((cause: unknown) => {
    throw new OperatingError('input-failed', `${path} is not there`, { cause });
  });
  if (facts.isFile()) files.push(path);
  if (!facts.isDirectory()) return;
  const entries = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
    throw new OperatingError('input-failed', `${path} cannot be read`, { cause });
  });
  // Links are not followed: a loop of them has no end.
  const names = entries
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => entry.name);
  for (const name of names.sort()) await collectFiles(join(path, name), files);
}
