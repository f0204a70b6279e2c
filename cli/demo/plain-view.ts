import {
  type FleetSight,
  type LiveView,
  lineOfFleet,
  lineOfRow,
  whereOf,
  whyOf,
} from './live-view.ts';

const fleetLineEvery = 25;

/** One line for each thing that happened, with the seconds since the start, for logs and pipes. */
export function createPlainView(write: (text: string) => void): LiveView {
  const startMs = performance.now();
  let place = '';
  let why = '';
  let looks = 0;
  let last: FleetSight | undefined;
  const say = (line: string): void => {
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1).padStart(6);
    write(`${seconds} s  ${line}\n`);
  };
  return {
    say,
    rollout: (sight) => {
      if (sight.state.kind === 'running' && sight.why !== why) {
        why = sight.why;
        say(`    ${why}`);
      }
      const next = `${sight.bundle} ${sight.state.last.to} ${sight.state.last.code}`;
      if (next === place) return;
      place = next;
      say(`  ${whereOf(sight)}`);
      say(`    ${whyOf(sight)}`);
    },
    fleet: (sight) => {
      last = sight;
      looks += 1;
      if (looks % fleetLineEvery === 0) say(`  ${lineOfFleet(sight)}`);
    },
    row: (row) => {
      if (last !== undefined) say(`  ${lineOfFleet(last)}`);
      say(lineOfRow(row));
    },
    close: () => undefined,
  };
}
