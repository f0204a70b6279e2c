import type { Command } from 'commander';
import { printable } from '../../shared/core/printable.ts';

/** A cell of a table; absent values are shown as a dash. */
export type Cell = string | number | boolean | null | undefined;

/**
 * What a command answers goes to standard output, everything else to standard error. Every text is printed as text: no
 * character of it steers the terminal.
 */
export class Printer {
  readonly isJson: boolean;
  readonly #out: (text: string) => void;
  readonly #err: (text: string) => void;

  constructor(command: Command, form: 'table' | 'json') {
    const streams = command.configureOutput();
    this.isJson = form === 'json';
    this.#out = (text) => streams.writeOut?.(text);
    this.#err = (text) => streams.writeErr?.(text);
  }

  /** The answer as JSON, or as what `show` makes of it. */
  answer<T>(value: T, show: (value: T) => string): void {
    if (this.isJson) this.json(value);
    else this.#out(`${printable(show(value)).trimEnd()}\n`);
  }

  json(value: unknown): void {
    this.#out(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** One line of a stream: JSON stays one line. */
  line<T>(value: T, show: (value: T) => string): void {
    this.#out(this.isJson ? `${JSON.stringify(value)}\n` : `${printable(show(value))}\n`);
  }

  /** A hint, a warning, progress. */
  say(text: string): void {
    this.#err(`${printable(text)}\n`);
  }
}

/** Columns as wide as their widest cell; the last one is not padded. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const lines = [head, ...rows.map((row) => row.map(cellText))];
  const widths = head.map((_, at) => Math.max(...lines.map((line) => (line[at] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const cellText = (cell: Cell): string =>
  cell === null || cell === undefined || cell === ''
    ? '-'
    : printable(String(cell)).replace(/[\n\t]/g, ' ');

export const instant = (atMs: number | null): string =>
  atMs === null ? '-' : new Date(atMs).toISOString();

/** `filetype@2.0.0` of a target path; a short form of a digest. */
export const shortDigest = (digest: string | null): string =>
  digest === null ? '-' : digest.slice(0, 19);
