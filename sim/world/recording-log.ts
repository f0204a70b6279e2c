import { limits } from '../../shared/contracts/limits.ts';
import { loggableFields } from '../../shared/core/log-fields.ts';
import { printable } from '../../shared/core/printable.ts';
import type { Log, LogFields } from '../../shared/ports/log.ts';

export interface LogEntry {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly sentence: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Keeps what a node said, for assertions and for the last events of a failed run. */
export class RecordingLog implements Log {
  readonly #entries: LogEntry[] = [];

  get entries(): readonly LogEntry[] {
    return this.#entries;
  }

  info(fields: LogFields, sentence: string): void {
    this.#write('info', fields, sentence);
  }

  warn(fields: LogFields, sentence: string): void {
    this.#write('warn', fields, sentence);
  }

  error(fields: LogFields, sentence: string): void {
    this.#write('error', fields, sentence);
  }

  #write(level: LogEntry['level'], fields: LogFields, sentence: string): void {
    if (this.#entries.length >= limits.recordedLogEntriesMax) this.#entries.shift();
    this.#entries.push({
      level,
      event: fields.event,
      sentence: printable(sentence),
      fields: loggableFields(fields, limits),
    });
  }
}
