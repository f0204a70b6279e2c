import type { Log, LogFields } from '../../../shared/ports/log.ts';

/** One JSON line per entry on stderr: the supervisor has no packages, so no logger either. */
export function createLineLog(component: string): Log {
  const write = (level: string, fields: LogFields, sentence: string): void => {
    const time = new Date().toISOString();
    process.stderr.write(`${JSON.stringify({ time, level, component, ...fields, sentence })}\n`);
  };
  return {
    info: (fields, sentence) => write('info', fields, sentence),
    warn: (fields, sentence) => write('warn', fields, sentence),
    error: (fields, sentence) => write('error', fields, sentence),
  };
}
