import { expect, test } from 'vitest';
import { createPinoLog } from '../../shared/adapters/log/pino-log.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { RecordingLog } from '../../sim/world/recording-log.ts';
import { logSuite } from './log.suite.ts';

function collecting(): {
  readonly lines: string[];
  readonly destination: { write(line: string): void };
} {
  const lines: string[] = [];
  return { lines, destination: { write: (line) => void lines.push(line) } };
}

logSuite('pino', () => {
  const { lines, destination } = collecting();
  return {
    log: createPinoLog({ component: 'test', destination }),
    written: () =>
      lines.map((line) => {
        const fields = JSON.parse(line) as Record<string, unknown>;
        const { level, event, sentence } = fields as Record<string, string>;
        return { level: level ?? '', event: event ?? '', sentence: sentence ?? '', fields };
      }),
  };
});

logSuite('recording', () => {
  const log = new RecordingLog();
  return { log, written: () => log.entries };
});

test('when a line is written, it says which daemon, and when in UTC', () => {
  const { lines, destination } = collecting();
  createPinoLog({ component: 'agent', destination }).info({ event: 'started' }, 'Started.');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    component: 'agent',
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
  });
});

test('when the level is higher, quieter entries are not written', () => {
  const { lines, destination } = collecting();
  const log = createPinoLog({ component: 'agent', level: 'warn', destination });
  log.info({ event: 'quiet' }, 'Quiet.');
  log.warn({ event: 'loud' }, 'Loud.');
  expect(lines).toHaveLength(1);
});

test('when a recording log is full, the oldest entries leave', () => {
  const log = new RecordingLog();
  for (let i = 0; i <= limits.recordedLogEntriesMax; i += 1) log.info({ event: `${i}` }, '');
  expect(log.entries).toHaveLength(limits.recordedLogEntriesMax);
  expect(log.entries[0]?.event).toBe('1');
});
