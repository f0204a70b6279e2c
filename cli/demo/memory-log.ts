import type { Log, LogFields } from '../../shared/ports/log.ts';

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: LogFields;
  readonly sentence: string;
}

const linesMax = 400;

/** Keeps the newest warnings and counts all events, because two hundred devices would drown a terminal. */
export class MemoryLog implements Log {
  readonly counts = new Map<string, number>();
  readonly lines: LogLine[] = [];

  info(fields: LogFields): void {
    this.#count('info', fields);
  }

  warn(fields: LogFields, sentence: string): void {
    this.#keep({ level: 'warn', fields, sentence });
  }

  error(fields: LogFields, sentence: string): void {
    this.#keep({ level: 'error', fields, sentence });
  }

  #keep(line: LogLine): void {
    this.#count(line.level, line.fields);
    this.lines.push(line);
    if (this.lines.length > linesMax) this.lines.shift();
  }

  #count(level: LogLine['level'], { event, code }: LogFields): void {
    const name = typeof code === 'string' ? `${level} ${event} ${code}` : `${level} ${event}`;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
}
