import { mkdir, open, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { diskError } from '../../../shared/adapters/disk/disk-error.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { AppName } from '../../../shared/core/ids.ts';
import { codeOf, OperatingError } from '../../../shared/core/operating-error.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import { answerText, type InputOutcome, mayPass } from '../../core/inputs/answer-text.ts';
import { type LabelRule, labelOfName } from '../../core/inputs/label-of-name.ts';
import type { InputItem, InputSource } from '../../ports/input-source.ts';
import { readInputFile } from './read-input-file.ts';

export interface WatchedFolderOptions {
  readonly app: AppName;
  readonly folder: string;
  /** Folder for the answers; beside the inputs when absent. */
  readonly answers: string | undefined;
  readonly labels: LabelRule;
  readonly clock: Clock;
}

const suffix = '.answer.json';

/**
 * Files that appear in a folder. A file is taken when two looks in a row saw it unchanged, and is
 * done when its answer is
 * newer than itself, so a restart repeats nothing. The inputs themselves are left alone.
 */
export class WatchedFolder implements InputSource {
  readonly name: string;
  readonly #options: WatchedFolderOptions;
  readonly #answers: string;
  /** `size:mtime` at the last look, of files that have no answer yet. */
  #seen = new Map<string, string>();
  readonly #underWay = new Set<string>();

  constructor(options: WatchedFolderOptions) {
    this.#options = options;
    this.#answers = options.answers ?? options.folder;
    this.name = `folder:${options.folder}`;
  }

  async *items(signal: AbortSignal): AsyncGenerator<InputItem> {
    const { clock } = this.#options;
    await mkdir(this.#answers, { recursive: true }).catch((cause: unknown) => {
      throw new OperatingError('input-failed', `${this.#answers} is no folder`, { cause });
    });
    while (!signal.aborted) {
      for (const name of await this.#ready()) {
        const item = await this.#take(name);
        if (item !== undefined) yield item;
      }
      await clock.sleepUntil(clock.monotonicMs() + limits.folderLookMs, signal);
    }
  }

  /** Names that are whole and have no answer, in name order. */
  async #ready(): Promise<readonly string[]> {
    const { folder } = this.#options;
    const names = await readdir(folder).catch((cause: unknown) => {
      throw new OperatingError('input-failed', `${folder} cannot be read`, { cause });
    });
    const before = this.#seen;
    this.#seen = new Map();
    const ready: string[] = [];
    for (const name of names.sort()) {
      if (name.startsWith('.') || name.endsWith(suffix) || this.#underWay.has(name)) continue;
      if (this.#seen.size >= limits.folderEntriesMax) break;
      const facts = await stat(join(folder, name)).catch(() => undefined);
      if (facts?.isFile() !== true || (await this.#isAnswered(name, facts.mtimeMs))) continue;
      const mark = `${facts.size}:${facts.mtimeMs}`;
      if (before.get(name) === mark) ready.push(name);
      this.#seen.set(name, mark);
    }
    return ready;
  }

  async #isAnswered(name: string, sinceMs: number): Promise<boolean> {
    const answer = await stat(join(this.#answers, name + suffix)).catch(() => undefined);
    return answer !== undefined && answer.mtimeMs >= sinceMs;
  }

  async #take(name: string): Promise<InputItem | undefined> {
    const { app, folder, labels } = this.#options;
    const label = labelOfName(name, labels);
    this.#underWay.add(name);
    try {
      const bytes = await readInputFile(join(folder, name));
      return {
        app,
        input: { kind: 'bytes', bytes },
        ...(label === undefined ? {} : { label }),
        answered: (outcome) => this.#answer(name, outcome),
      };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      // Where that cannot be written either, a later look takes the file again, and the others come meanwhile.
      await this.#answer(name, { ok: false, code: codeOf(error), message }).catch(() => undefined);
      return undefined;
    }
  }

  async #answer(name: string, outcome: InputOutcome): Promise<void> {
    try {
      // Without a model there is no answer yet; a later look takes the file again.
      if (!mayPass(outcome)) await this.#write(name + suffix, answerText(outcome));
    } catch (error) {
      throw diskError(error, `write the answer to ${name}`);
    } finally {
      this.#underWay.delete(name);
    }
  }

  /** Readers of the answers see a whole file or none; the hidden name is no input either. */
  async #write(name: string, text: string): Promise<void> {
    const temporary = join(this.#answers, `.${name}.part`);
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(this.#answers, name));
  }
}
