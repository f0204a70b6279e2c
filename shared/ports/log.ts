/** Structured log; `event` is the state machine's own event name. Secrets never reach it. */
export interface Log {
  info(fields: LogFields, sentence: string): void;
  warn(fields: LogFields, sentence: string): void;
  error(fields: LogFields, sentence: string): void;
}

export type LogFields = { readonly event: string } & Readonly<Record<string, unknown>>;
