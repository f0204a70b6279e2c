import colors from 'picocolors';
import {
  type FleetSight,
  type LiveView,
  lineOfFleet,
  lineOfRow,
  type RolloutSight,
  whereOf,
  whyOf,
} from './live-view.ts';
import { complaintOf, type ResultRow } from './result-row.ts';

/** At most five pictures a second. */
const redrawMs = 200;
const saysMax = 6;

/** A picture at the bottom of the terminal; only lines that changed are written again. */
export class TerminalView implements LiveView {
  readonly #write: (text: string) => void;
  readonly #columns: () => number;
  readonly #devices: number;
  readonly #rows: ResultRow[] = [];
  readonly #said: string[] = [];
  readonly #timer: NodeJS.Timeout;
  #rollout: RolloutSight | undefined;
  #fleet: FleetSight | undefined;
  #drawn: readonly string[] = [];

  constructor(options: {
    readonly write: (text: string) => void;
    readonly columns: () => number;
    readonly devices: number;
  }) {
    this.#write = options.write;
    this.#columns = options.columns;
    this.#devices = options.devices;
    // The cursor would jump with each redraw.
    this.#write('\u001b[?25l');
    this.#timer = setInterval(() => this.#draw(), redrawMs);
  }

  say(sentence: string): void {
    this.#said.push(sentence);
    if (this.#said.length > saysMax) this.#said.shift();
  }

  rollout(sight: RolloutSight): void {
    this.#rollout = sight;
  }

  fleet(sight: FleetSight): void {
    this.#fleet = sight;
  }

  row(row: ResultRow): void {
    this.#rows.push(row);
    this.#rollout = undefined;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#draw();
    this.#write('\u001b[?25h');
  }

  #draw(): void {
    const width = Math.max(20, this.#columns() - 1);
    const next = this.#picture().map(({ text, paint }) => paint(text.slice(0, width)));
    const height = Math.max(next.length, this.#drawn.length);
    let out = this.#drawn.length === 0 ? '' : `\u001b[${this.#drawn.length}A`;
    for (let at = 0; at < height; at += 1) {
      const line = next[at] ?? '';
      const isSame = at < this.#drawn.length && this.#drawn[at] === line;
      out += isSame ? '\u001b[1B' : `\r\u001b[2K${line}\n`;
    }
    // Fewer lines than before: the emptied ones below stay, so that the count of lines never falls.
    this.#drawn = Array.from({ length: height }, (_, at) => next[at] ?? '');
    this.#write(`${out}\r`);
  }

  #picture(): readonly Line[] {
    const lines: Line[] = [plain(''), { text: 'Skein demo', paint: colors.bold }];
    if (this.#fleet !== undefined) {
      lines.push(plain(lineOfFleet(this.#fleet)), plain(barOf(this.#fleet, this.#devices)));
    }
    for (const row of this.#rows) {
      const isSo = complaintOf(row, this.#devices) === undefined;
      lines.push({
        text: `${isSo ? '✓' : '✗'} ${lineOfRow(row)}`,
        paint: isSo ? colors.green : colors.red,
      });
    }
    if (this.#rollout !== undefined) {
      lines.push({ text: `▶ ${whereOf(this.#rollout)}`, paint: colors.cyan });
      lines.push({ text: `  last: ${whyOf(this.#rollout)}`, paint: colors.dim });
      lines.push({ text: `  now: ${this.#rollout.why}`, paint: colors.dim });
    }
    for (const sentence of this.#said) lines.push({ text: `  ${sentence}`, paint: colors.dim });
    return lines;
  }
}

interface Line {
  readonly text: string;
  readonly paint: (text: string) => string;
}

const plain = (text: string): Line => ({ text, paint: (same) => same });

const barWidth = 50;
const inks = ['█', '▓', '▒', '░', '▚', '▞'];

/** Which share of the fleet answers with which bundle. */
function barOf({ running }: FleetSight, devices: number): string {
  let bar = '';
  for (const [at, [, count]] of [...running].entries()) {
    const cells = Math.max(1, Math.round((count / Math.max(1, devices)) * barWidth));
    bar += (inks[at % inks.length] ?? '█').repeat(cells);
  }
  return `[${bar.slice(0, barWidth).padEnd(barWidth, ' ')}]`;
}
