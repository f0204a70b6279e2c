import pino, { type DestinationStream } from 'pino';
import { limits } from '../../contracts/limits.ts';
import { loggableFields } from '../../core/log-fields.ts';
import { printable } from '../../core/printable.ts';
import type { Log, LogFields } from '../../ports/log.ts';

export interface PinoLogOptions {
  /** Which daemon speaks: `agent`, `server`. */
  readonly component: string;
  readonly level?: 'info' | 'warn' | 'error' | 'silent';
  /** Standard error unless said otherwise: standard output belongs to what a command answers. */
  readonly destination?: DestinationStream;
}

/** One JSON line per entry, with level names as words and time in UTC. */
export function createPinoLog(options: PinoLogOptions): Log {
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: { component: options.component },
      messageKey: 'sentence',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // `err` must stay what `loggableFields` made of it.
      serializers: {},
    },
    // Synchronous: the last lines before a crash are the ones that matter.
    options.destination ?? pino.destination({ fd: 2, sync: true }),
  );
  const write =
    (level: 'info' | 'warn' | 'error') =>
    (fields: LogFields, sentence: string): void => {
      logger[level](loggableFields(fields, limits), printable(sentence));
    };
  return { info: write('info'), warn: write('warn'), error: write('error') };
}
